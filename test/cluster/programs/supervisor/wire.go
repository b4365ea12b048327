package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
)

// request is what process 1 is asked for; a `run` brings three descriptors along.
type request struct {
	Verb   string         `json:"verb"`
	Name   string         `json:"name,omitempty"`
	Args   []string       `json:"args,omitempty"`
	Env    []string       `json:"env,omitempty"`
	Signal syscall.Signal `json:"signal,omitempty"`
}

// answer is the end of a request.
type answer struct {
	Error   string         `json:"error,omitempty"`
	Running []string       `json:"running,omitempty"`
	Code    int            `json:"code"`
	Signal  syscall.Signal `json:"signal,omitempty"`
}

// maximum is more than the longest request has: the arguments and the environment of a process.
const maximum = 1 << 20

// send writes a message whole, with descriptors if there are any. Messages keep their bounds.
func send(to *net.UnixConn, message any, files ...*os.File) error {
	text, err := json.Marshal(message)
	if err != nil {
		return err
	}
	descriptors := []int{}
	for _, file := range files {
		descriptors = append(descriptors, int(file.Fd()))
	}
	var rights []byte
	if len(descriptors) > 0 {
		rights = syscall.UnixRights(descriptors...)
	}
	_, _, err = to.WriteMsgUnix(text, rights, nil)
	return err
}

// receive reads one message and the descriptors that came with it.
func receive(from *net.UnixConn, message any) ([]*os.File, error) {
	text := make([]byte, maximum)
	rights := make([]byte, syscall.CmsgSpace(3*4))
	size, rightsSize, _, _, err := from.ReadMsgUnix(text, rights)
	if err != nil {
		return nil, err
	}
	if size == 0 {
		return nil, errors.New("the other side has gone")
	}
	files := []*os.File{}
	controls, err := syscall.ParseSocketControlMessage(rights[:rightsSize])
	if err != nil {
		return nil, err
	}
	for _, control := range controls {
		descriptors, err := syscall.ParseUnixRights(&control)
		if err != nil {
			return nil, err
		}
		for _, descriptor := range descriptors {
			syscall.CloseOnExec(descriptor)
			files = append(files, os.NewFile(uintptr(descriptor), fmt.Sprint("received ", descriptor)))
		}
	}
	return files, json.Unmarshal(text[:size], message)
}
