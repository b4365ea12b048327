package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
)

// programs are those that were started by name.
type programs struct {
	state    string
	children *children
	mutex    sync.Mutex
	args     map[string][]string
	running  map[string]*child
}

// serve answers requests; it never ends by itself.
func serve(control *net.UnixListener, state string) error {
	all := &programs{
		state: state, children: reapChildren(), args: map[string][]string{}, running: map[string]*child{},
	}
	for {
		connection, err := control.AcceptUnix()
		if err != nil {
			return err
		}
		go func() {
			defer connection.Close()
			var asked request
			files, err := receive(connection, &asked)
			if err != nil {
				return
			}
			answered := all.fulfil(asked, files, connection)
			send(connection, answered)
		}()
	}
}

func (p *programs) fulfil(asked request, files []*os.File, connection *net.UnixConn) answer {
	var err error
	switch asked.Verb {
	case "run":
		return p.run(asked, files, connection)
	case "list":
		return answer{Running: p.list()}
	case "start":
		err = p.start(asked)
	case "stop":
		err = p.stop(asked)
	default:
		err = fmt.Errorf("no request is called %q", asked.Verb)
	}
	if err != nil {
		return answer{Error: err.Error()}
	}
	return answer{}
}

func (p *programs) start(asked request) error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if len(asked.Args) > 0 {
		p.args[asked.Name] = asked.Args
	}
	args := p.args[asked.Name]
	if len(args) == 0 {
		return fmt.Errorf("%s was never started, so its arguments are not known", asked.Name)
	}
	if running := p.running[asked.Name]; running != nil && !running.hasEnded() {
		return fmt.Errorf("%s runs already", asked.Name)
	}
	path := filepath.Join(p.state, "log", asked.Name+".log")
	log, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	nothing, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer nothing.Close()
	started, err := p.children.start(args, asked.Env, nothing, log, log)
	if err == nil {
		p.running[asked.Name] = started
	}
	return err
}

func (p *programs) stop(asked request) error {
	p.mutex.Lock()
	running := p.running[asked.Name]
	p.mutex.Unlock()
	if running == nil || running.hasEnded() {
		return fmt.Errorf("%s does not run", asked.Name)
	}
	if err := syscall.Kill(running.pid, asked.Signal); err != nil {
		return err
	}
	<-running.ended
	return nil
}

func (p *programs) list() []string {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	names := []string{}
	for name, each := range p.running {
		if !each.hasEnded() {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// run starts a program with the descriptors of whoever asked, passes signals on, and kills it when the other side has gone.
func (p *programs) run(asked request, files []*os.File, connection *net.UnixConn) answer {
	started, err := p.children.start(asked.Args, asked.Env, files...)
	for _, file := range files {
		file.Close()
	}
	if err != nil {
		return answer{Error: err.Error()}
	}
	go func() {
		for {
			var next request
			if _, err := receive(connection, &next); err != nil {
				if !started.hasEnded() {
					syscall.Kill(-started.pid, syscall.SIGKILL)
				}
				return
			}
			if !started.hasEnded() {
				syscall.Kill(started.pid, next.Signal)
			}
		}
	}()
	<-started.ended
	if started.status.Signaled() {
		return answer{Signal: started.status.Signal()}
	}
	return answer{Code: started.status.ExitStatus()}
}
