package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// hold makes a node's namespaces, prints one line of JSON when programs can be started in them, and stays until it is told
// to end by SIGTERM or, when tied, by the end of its standard input: so a node ends with whoever wanted it, however that
// one dies. In the end it leaves nothing behind.
func hold(state string, tied bool) (err error) {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	signal.Ignore(syscall.SIGHUP, syscall.SIGPIPE)
	if err := sweep(); err != nil {
		return err
	}
	// In the end the folder is removed with all that is in it, so nothing of anybody else's may be there.
	if found, err := os.ReadDir(state); err == nil && len(found) > 0 {
		return fmt.Errorf("the folder is not empty; if a cluster runs there, end it first")
	}
	cgroup := fmt.Sprintf("slicewise-%d-%d", os.Getpid(), time.Now().UnixMilli())
	note, err := enroll(state, cgroup)
	if err != nil {
		return err
	}
	defer func() {
		if cleaning := clean(state, cgroup); err == nil {
			err = cleaning
		}
		note.strike()
	}()
	for _, folder := range []string{"run", "log", "lib", "sysctl"} {
		if err := os.MkdirAll(filepath.Join(state, folder), 0o755); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(state, "cgroup"), []byte(cgroup), 0o644); err != nil {
		return err
	}
	if err := makeCgroups(cgroup); err != nil {
		return err
	}
	port, err := forward("127.0.0.1:0", filepath.Join(state, "api.sock"))
	if err != nil {
		return err
	}
	node, ended, err := startInit(state)
	if err != nil {
		return err
	}
	defer func() {
		node.Kill()
		<-ended
	}()
	ready := map[string]any{"port": port, "cgroup": cgroup}
	if err := json.NewEncoder(os.Stdout).Encode(ready); err != nil {
		return err
	}
	closed := make(chan struct{})
	if tied {
		go func() {
			io.Copy(io.Discard, os.Stdin)
			close(closed)
		}()
	}
	select {
	case <-stop:
	case <-closed:
	case <-ended:
		return fmt.Errorf("process 1 of the node has ended by itself; see %s", filepath.Join(state, "log/init.log"))
	}
	return nil
}

// startInit starts process 1 of new namespaces and waits until it can be asked to start others.
func startInit(state string) (*os.Process, <-chan struct{}, error) {
	// Process 1 is killed when the thread that started it ends, so that thread must last as long as the program.
	runtime.LockOSThread()
	output, err := os.Create(filepath.Join(state, "log/init.log"))
	if err != nil {
		return nil, nil, err
	}
	defer output.Close()
	ready, readyForInit, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer ready.Close()
	child := exec.Command("/proc/self/exe", "init", state)
	child.Stdout, child.Stderr = output, output
	child.ExtraFiles = []*os.File{readyForInit}
	child.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET,
		Pdeathsig:  syscall.SIGKILL,
		Setsid:     true,
	}
	err = child.Start()
	readyForInit.Close()
	if err != nil {
		return nil, nil, fmt.Errorf("no new namespaces: %w", err)
	}
	ended := make(chan struct{})
	go func() {
		child.Wait()
		close(ended)
	}()
	if said, _ := io.ReadAll(ready); len(said) == 0 {
		child.Process.Kill()
		<-ended
		why, _ := os.ReadFile(output.Name())
		return nil, nil, fmt.Errorf("process 1 of the node did not get ready: %s", why)
	}
	return child.Process, ended, nil
}

// forward joins every connection to an address of this machine with one to a socket file: a file can be reached from any
// network namespace. It returns the port.
func forward(address, socket string) (int, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return 0, err
	}
	go join(listener, "unix", socket)
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// join copies both ways between every connection that is accepted and one that it makes.
func join(listener net.Listener, network, address string) {
	for {
		accepted, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer accepted.Close()
			made, err := net.Dial(network, address)
			if err != nil {
				return
			}
			defer made.Close()
			go copyHalf(made, accepted)
			copyHalf(accepted, made)
		}()
	}
}

// copyHalf copies one way to its end and passes the end on; the other way may go on.
func copyHalf(to, from net.Conn) {
	io.Copy(to, from)
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
}
