// Command supervisor holds a node's namespaces and all that runs in them.
//
//	supervisor hold STATE [tied]           makes the namespaces and stays; with `tied` until its standard input ends
//	supervisor down STATE                  ends the node in STATE and removes all that it made, STATE included
//	supervisor sweep                       removes what nodes left behind whose supervisor was killed
//	supervisor start STATE NAME [ARG...]   starts a program that goes on by itself; without arguments: as the last time
//	supervisor stop STATE NAME [SIGNAL]    ends it, by SIGTERM or the number given, and waits for its end
//	supervisor list STATE                  which programs run
//	supervisor run STATE PROGRAM [ARG...]  runs one in the namespaces, with this one's standard streams
//	supervisor box FILE [ARG...]           becomes a program in an image's files, as FILE tells it
//
// Everything on the node lives in one mount, one network and one pid namespace. Its process 1 dies with the supervisor, and
// with process 1 the kernel ends all others, their mounts and their network.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	if len(os.Args) < 2 {
		usage()
	}
	verb, rest := os.Args[1], os.Args[2:]
	if verb == "sweep" {
		check(sweep())
		return
	}
	if len(rest) < 1 {
		usage()
	}
	if verb == "box" {
		check(box(rest[0], rest[1:]))
		return
	}
	state, err := filepath.Abs(rest[0])
	check(err)
	rest = rest[1:]
	switch verb {
	case "hold":
		check(hold(state, len(rest) == 1 && rest[0] == "tied"))
	case "init":
		check(initialize(state))
	case "down":
		check(down(state))
	case "start", "stop", "list":
		check(ask(state, verb, rest))
	case "run":
		if len(rest) == 0 {
			usage()
		}
		code, err := runInside(state, rest)
		check(err)
		os.Exit(code)
	default:
		usage()
	}
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: supervisor hold|down|start|stop|list|run STATE ..., supervisor box FILE ..., supervisor sweep")
	os.Exit(2)
}

func check(err error) {
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "supervisor", strings.Join(os.Args[1:min(len(os.Args), 4)], " ")+":", err)
	os.Exit(1)
}
