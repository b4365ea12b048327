package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
)

// child is a process that this one has started. Its status may be read once it has ended.
type child struct {
	pid    int
	ended  chan struct{}
	status syscall.WaitStatus
}

func (c *child) hasEnded() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

// children are all that this process has started. As process 1 it inherits others', so it must wait for any.
type children struct {
	mutex sync.Mutex
	byPID map[int]*child
}

func reapChildren() *children {
	all := &children{byPID: map[int]*child{}}
	changed := make(chan os.Signal, 1)
	signal.Notify(changed, syscall.SIGCHLD)
	go func() {
		for range changed {
			all.reap()
		}
	}()
	return all
}

func (c *children) reap() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || pid == 0 {
			return
		}
		if each := c.byPID[pid]; each != nil {
			delete(c.byPID, pid)
			each.status = status
			close(each.ended)
		}
	}
}

// start starts a program in a session of its own, so that it and what it starts can be signalled together.
func (c *children) start(args, env []string, files ...*os.File) (*child, error) {
	if len(args) == 0 {
		return nil, errors.New("there is no program to start")
	}
	path, err := exec.LookPath(args[0])
	if err != nil {
		return nil, err
	}
	descriptors := []uintptr{}
	for _, file := range files {
		descriptors = append(descriptors, file.Fd())
	}
	// No child may be waited for before it can be found.
	c.mutex.Lock()
	defer c.mutex.Unlock()
	pid, err := syscall.ForkExec(path, args, &syscall.ProcAttr{
		Dir: "/", Env: env, Files: descriptors, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	started := &child{pid: pid, ended: make(chan struct{})}
	c.byPID[pid] = started
	return started, nil
}
