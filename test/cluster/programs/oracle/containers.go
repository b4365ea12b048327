package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// visible is the variable by which a container knows its GPUs, share the one by which it knows how much of one is its own.
const (
	visible = "NVIDIA_VISIBLE_DEVICES"
	share   = "SLICEWISE_GPU_MEMORY_MIB"
)

// running is a container whose first process lives, with the GPUs that this process has in its environment. MemoryMiB is null
// when it has them whole.
type running struct {
	ID        string   `json:"id"`
	Namespace string   `json:"namespace"`
	Pod       string   `json:"pod"`
	PodUID    string   `json:"podUid"`
	Container string   `json:"container"`
	GPUs      []string `json:"gpus"`
	MemoryMiB *int     `json:"memoryMiB"`

	pid string
}

// readContainers reads containerd's tasks and /proc. All containers in its answer run at one moment: when the last one has
// been found, each is looked at again.
func readContainers(tasks string) (any, error) {
	folders, err := os.ReadDir(tasks)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // containerd makes it for its first container
		return nil, err
	}
	found := []running{}
	for _, folder := range folders {
		each, err := readContainer(filepath.Join(tasks, folder.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // it has just gone, or is not yet there
		}
		if err != nil {
			return nil, err
		}
		if each.GPUs != nil {
			found = append(found, each)
		}
	}
	return slices.DeleteFunc(found, func(each running) bool {
		gpus, _, err := readGPUs(each.pid)
		return err != nil || !slices.Equal(gpus, each.GPUs)
	}), nil
}

func readContainer(folder string) (running, error) {
	text, err := os.ReadFile(filepath.Join(folder, "config.json"))
	if err != nil {
		return running{}, err
	}
	var spec struct{ Annotations map[string]string }
	if err := json.Unmarshal(text, &spec); err != nil {
		return running{}, nil // half written: it does not run yet
	}
	pid, err := os.ReadFile(filepath.Join(folder, "init.pid"))
	if err != nil {
		return running{}, err
	}
	gpus, memory, err := readGPUs(string(pid))
	if err != nil {
		return running{}, err
	}
	said := func(key string) string { return spec.Annotations["io.kubernetes.cri."+key] }
	return running{
		ID: filepath.Base(folder), Namespace: said("sandbox-namespace"), Pod: said("sandbox-name"), PodUID: said("sandbox-uid"),
		Container: said("container-name"), GPUs: gpus, MemoryMiB: memory, pid: string(pid),
	}, nil
}

// readGPUs is nil when the process has ended, or has no GPUs, or is still runc and not yet the container.
func readGPUs(pid string) (gpus []string, memory *int, err error) {
	environment, err := os.ReadFile(filepath.Join("/proc", pid, "environ"))
	if err != nil {
		return nil, nil, nil
	}
	for _, variable := range bytes.Split(environment, []byte{0}) {
		name, value, _ := strings.Cut(string(variable), "=")
		switch name {
		case visible:
			gpus = strings.Split(value, ",")
			slices.Sort(gpus)
		case share:
			mib, err := strconv.Atoi(value)
			if err != nil {
				return nil, nil, fmt.Errorf("process %s: %w", pid, err)
			}
			memory = &mib
		}
	}
	return gpus, memory, nil
}
