package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"unsafe"
)

// boxed is what a container is told of its world.
type boxed struct {
	Rootfs  string   `json:"rootfs"`  // an image's files
	Scratch string   `json:"scratch"` // an empty folder, to mount things on
	Mounts  []inBox  `json:"mounts"`
	Hidden  []string `json:"hidden"`  // folders of the mounts that are empty here
	Command []string `json:"command"` // what comes before the caller's arguments
}

type inBox struct {
	Source   string `json:"source"`
	Target   string `json:"target"`
	ReadOnly bool   `json:"readOnly"`
	Create   bool   `json:"create"` // the source may not be there yet
}

// From linux/prctl.h.
const (
	dropFromBoundingSet = 24
	setNoNewPrivileges  = 38
)

// box becomes a program in an image's files, as an unprivileged container's runtime would start it: a root that cannot be written to, the
// mounts that it is given, the usual devices, no capability, and none to be had. It keeps its process id, so that a signal, the one that
// cannot be caught too, meets the program itself.
func box(file string, args []string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var told boxed
	if err := json.Unmarshal(text, &told); err != nil {
		return err
	}
	// All of this is of one thread, the one that becomes the program.
	runtime.LockOSThread()
	if err := syscall.Unshare(syscall.CLONE_NEWNS); err != nil {
		return fmt.Errorf("no mounts of its own: %w", err)
	}
	root, err := mountBox(told)
	if err != nil {
		return err
	}
	if err := enterRoot(root); err != nil {
		return err
	}
	if err := dropCapabilities(); err != nil {
		return err
	}
	command := append(told.Command, args...)
	return fmt.Errorf("%s: %w", command[0], syscall.Exec(command[0], command, os.Environ()))
}

func mountBox(told boxed) (string, error) {
	in := func(name string) string { return filepath.Join(told.Scratch, name) }
	root := in("root")
	steps := []mount{
		{"", "/", "", syscall.MS_REC | syscall.MS_SLAVE, ""},
		{"tmpfs", told.Scratch, "tmpfs", syscall.MS_NOSUID, "mode=755,size=1m"},
	}
	for _, step := range steps {
		if err := step.do(); err != nil {
			return "", err
		}
	}
	for _, folder := range []string{"upper", "work", "root"} {
		if err := os.Mkdir(in(folder), 0o755); err != nil {
			return "", err
		}
	}
	layers := "lowerdir=" + told.Rootfs + ",upperdir=" + in("upper") + ",workdir=" + in("work")
	if err := (mount{"overlay", root, "overlay", 0, layers}).do(); err != nil {
		return "", err
	}
	binds := []inBox{{Source: "/proc", Target: "/proc"}, {Source: "/sys", Target: "/sys", ReadOnly: true}}
	for _, name := range []string{"null", "zero", "full", "random", "urandom"} {
		binds = append(binds, inBox{Source: "/dev/" + name, Target: "/dev/" + name})
	}
	// As NVIDIA's container runtime brings the GPUs' for NVIDIA_VISIBLE_DEVICES=all.
	for _, pattern := range []string{"/dev/nvidia*", "/dev/dri"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return "", err
		}
		for _, path := range found {
			binds = append(binds, inBox{Source: path, Target: path})
		}
	}
	binds = append(binds, inBox{Source: "/var/run/secrets", Target: "/var/run/secrets", ReadOnly: true, Create: true})
	for _, each := range append(binds, told.Mounts...) {
		if err := each.bind(root); err != nil {
			return "", err
		}
	}
	for _, path := range told.Hidden {
		if err := (mount{"tmpfs", filepath.Join(root, path), "tmpfs", syscall.MS_RDONLY, "size=4k"}).do(); err != nil {
			return "", err
		}
	}
	return root, mount{"", root, "", syscall.MS_BIND | syscall.MS_REMOUNT | syscall.MS_RDONLY, ""}.do()
}

func (b inBox) bind(root string) error {
	if b.Create {
		if err := os.MkdirAll(b.Source, 0o755); err != nil {
			return err
		}
	}
	found, err := os.Stat(b.Source)
	if err != nil {
		return err
	}
	target := filepath.Join(root, b.Target)
	if found.IsDir() {
		err = os.MkdirAll(target, 0o755)
	} else if err = os.MkdirAll(filepath.Dir(target), 0o755); err == nil {
		err = os.WriteFile(target, nil, 0o644)
	}
	if err != nil {
		return err
	}
	if err := (mount{b.Source, target, "", syscall.MS_BIND | syscall.MS_REC, ""}).do(); err != nil {
		return err
	}
	if !b.ReadOnly {
		return nil
	}
	return mount{"", target, "", syscall.MS_BIND | syscall.MS_REMOUNT | syscall.MS_RDONLY, ""}.do()
}

func enterRoot(root string) error {
	if err := os.Chdir(root); err != nil {
		return err
	}
	if err := syscall.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot_root: %w", err)
	}
	if err := syscall.Unmount(".", syscall.MNT_DETACH); err != nil {
		return err
	}
	return os.Chdir("/")
}

func dropCapabilities() error {
	for capability := uintptr(0); ; capability++ {
		_, _, number := syscall.RawSyscall(syscall.SYS_PRCTL, dropFromBoundingSet, capability, 0)
		if number == syscall.EINVAL {
			break // there are no more
		}
		if number != 0 {
			return fmt.Errorf("capability %d stays: %w", capability, number)
		}
	}
	if err := inheritNone(); err != nil {
		return err
	}
	if _, _, number := syscall.RawSyscall6(syscall.SYS_PRCTL, setNoNewPrivileges, 1, 0, 0, 0, 0); number != 0 {
		return fmt.Errorf("new privileges are not forbidden: %w", number)
	}
	return nil
}

// inheritNone empties the set of capabilities that root keeps over an exec in spite of the bounding set.
func inheritNone() error {
	header := struct {
		version uint32
		pid     int32
	}{0x20080522, 0}
	var sets [2]struct{ effective, permitted, inheritable uint32 }
	for _, call := range []uintptr{syscall.SYS_CAPGET, syscall.SYS_CAPSET} {
		_, _, number := syscall.RawSyscall(call, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&sets)), 0)
		if number != 0 {
			return fmt.Errorf("capabilities are inherited: %w", number)
		}
		for each := range sets {
			sets[each].inheritable = 0
		}
	}
	return nil
}
