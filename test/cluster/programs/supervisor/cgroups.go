package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const cgroupRoot = "/sys/fs/cgroup"

// emptyWithin bounds the wait until the kernel has taken dead processes out of their cgroups.
const emptyWithin = 10 * time.Second

// hierarchies lists the roots in which a node needs a cgroup of its own: each controller's of cgroup v1, the only one of v2.
func hierarchies() ([]string, error) {
	if _, err := os.Stat(filepath.Join(cgroupRoot, "cgroup.controllers")); err == nil {
		return []string{cgroupRoot}, nil
	}
	entries, err := os.ReadDir(cgroupRoot)
	if err != nil {
		return nil, err
	}
	roots := []string{}
	for _, each := range entries {
		if each.IsDir() { // the others are links to hierarchies with two names
			roots = append(roots, filepath.Join(cgroupRoot, each.Name()))
		}
	}
	return roots, nil
}

func makeCgroups(name string) error {
	roots, err := hierarchies()
	if err != nil {
		return err
	}
	for _, root := range roots {
		own := filepath.Join(root, name)
		if err := os.Mkdir(own, 0o755); err != nil {
			return err
		}
		// Cgroup v1: no process can join a group of the cpuset hierarchy while these are empty.
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			value, err := os.ReadFile(filepath.Join(root, file))
			if err != nil {
				continue
			}
			if err := os.WriteFile(filepath.Join(own, file), value, 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

func removeCgroups(name string) error {
	roots, err := hierarchies()
	if err != nil {
		return err
	}
	for _, root := range roots {
		for end := time.Now().Add(emptyWithin); ; time.Sleep(20 * time.Millisecond) {
			err := removeTree(filepath.Join(root, name))
			if err == nil {
				break
			}
			if time.Now().After(end) {
				return fmt.Errorf("a cgroup stays: %w", err)
			}
		}
	}
	return nil
}

// removeTree removes a cgroup with those below it. Its files go with it and cannot be removed one by one.
func removeTree(path string) error {
	folders := []string{}
	err := filepath.WalkDir(path, func(each string, found fs.DirEntry, err error) error {
		if err == nil && found.IsDir() {
			folders = append(folders, each)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, each := range slices.Backward(folders) {
		if err := os.Remove(each); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
