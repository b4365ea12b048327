package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
)

func dial(state string) (*net.UnixConn, error) {
	path := filepath.Join(state, "control.sock")
	connection, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: path, Net: "unixpacket"})
	if err != nil {
		return nil, fmt.Errorf("no cluster runs there: %w", err)
	}
	return connection, nil
}

// ask has process 1 start, stop or list programs.
func ask(state, verb string, rest []string) error {
	asked := request{Verb: verb, Env: os.Environ()}
	if verb != "list" {
		if len(rest) == 0 {
			usage()
		}
		asked.Name, asked.Args = rest[0], rest[1:]
	}
	if verb == "stop" {
		asked.Signal = syscall.SIGTERM
		if len(rest) > 1 {
			number, err := strconv.Atoi(rest[1])
			if err != nil {
				return fmt.Errorf("a signal is a number here: %w", err)
			}
			asked.Signal = syscall.Signal(number)
		}
	}
	connection, err := dial(state)
	if err != nil {
		return err
	}
	defer connection.Close()
	if err := send(connection, asked); err != nil {
		return err
	}
	var answered answer
	if _, err := receive(connection, &answered); err != nil {
		return err
	}
	for _, name := range answered.Running {
		fmt.Println(name)
	}
	if answered.Error != "" {
		return errors.New(answered.Error)
	}
	return nil
}

// runInside runs a program in the namespaces as if it were this one: its streams, its signals, its end. When this one is
// killed, so is the other.
func runInside(state string, args []string) (int, error) {
	connection, err := dial(state)
	if err != nil {
		return 0, err
	}
	defer connection.Close()
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGUSR2)
	asked := request{Verb: "run", Args: args, Env: os.Environ()}
	if err := send(connection, asked, os.Stdin, os.Stdout, os.Stderr); err != nil {
		return 0, err
	}
	go func() {
		for each := range signals {
			send(connection, request{Verb: "signal", Signal: each.(syscall.Signal)})
		}
	}()
	var ended answer
	if _, err := receive(connection, &ended); err != nil {
		return 0, err
	}
	if ended.Error != "" {
		return 0, errors.New(ended.Error)
	}
	if ended.Signal != 0 {
		signal.Reset()
		syscall.Kill(os.Getpid(), ended.Signal)
		return 128 + int(ended.Signal), nil // only when that signal does not end a program
	}
	return ended.Code, nil
}
