package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// entry is the note of a node that is held. Its file is locked while the supervisor lives, so that whoever can lock it knows
// that the supervisor is dead and what it left behind.
type entry struct {
	State  string `json:"state"`
	Cgroup string `json:"cgroup"`
	PID    int    `json:"pid"`

	file *os.File
}

// downWithin bounds the wait for a supervisor that was told to end.
const downWithin = 30 * time.Second

func registry() string {
	return filepath.Join(os.TempDir(), "slicewise-clusters")
}

// enroll notes a node; the note is locked from the moment it can be seen.
func enroll(state, cgroup string) (*entry, error) {
	if err := os.MkdirAll(registry(), 0o700); err != nil {
		return nil, err
	}
	path := filepath.Join(registry(), cgroup)
	file, err := os.OpenFile(path+".new", os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	note := &entry{State: state, Cgroup: cgroup, PID: os.Getpid(), file: file}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		return nil, err
	}
	if err := json.NewEncoder(file).Encode(note); err != nil {
		return nil, err
	}
	return note, os.Rename(path+".new", path)
}

// strike removes the note, and with it the lock.
func (e *entry) strike() {
	os.Remove(filepath.Join(registry(), e.Cgroup))
	e.file.Close()
}

// notes reads all notes, and locks those whose supervisor is dead: only these have a file.
func notes() ([]*entry, error) {
	files, err := os.ReadDir(registry())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	found := []*entry{}
	for _, each := range files {
		path := filepath.Join(registry(), each.Name())
		if filepath.Ext(path) == ".new" {
			continue
		}
		file, err := os.Open(path)
		if err != nil {
			continue // struck just now
		}
		note := &entry{}
		if err := json.NewDecoder(file).Decode(note); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			note.file = file
		} else {
			file.Close()
		}
		found = append(found, note)
	}
	return found, nil
}

// sweep cleans up after every supervisor that was killed.
func sweep() error {
	found, err := notes()
	if err != nil {
		return err
	}
	for _, note := range found {
		if note.file == nil {
			continue
		}
		fmt.Fprintln(os.Stderr, "removing what is left of the cluster in", note.State)
		if err := clean(note.State, note.Cgroup); err != nil {
			return err
		}
		note.strike()
	}
	return nil
}

// down ends the node in a folder, if one is held there, and cleans up after it.
func down(state string) error {
	found, err := notes()
	if err != nil {
		return err
	}
	for _, note := range found {
		if note.State != state || note.file != nil {
			continue
		}
		if err := syscall.Kill(note.PID, syscall.SIGTERM); err != nil {
			return err
		}
		for end := time.Now().Add(downWithin); ; time.Sleep(20 * time.Millisecond) {
			if _, err := os.Stat(filepath.Join(registry(), note.Cgroup)); errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if syscall.Kill(note.PID, 0) != nil {
				break // it was killed before it had cleaned up; the sweep does that
			}
			if time.Now().After(end) {
				return fmt.Errorf("its supervisor, process %d, does not end", note.PID)
			}
		}
	}
	for _, note := range found {
		if note.file != nil {
			note.file.Close()
		}
	}
	return sweep()
}

// clean removes a node's cgroups and folder. Nothing runs in them any more.
func clean(state, cgroup string) error {
	if err := removeCgroups(cgroup); err != nil {
		return err
	}
	return os.RemoveAll(state)
}
