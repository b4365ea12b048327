package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// Where the node, its pods and its services are in the private network.
const (
	nodeAddress  = "10.244.0.1"
	podNetwork   = "10.244.0.1/24"
	serviceRange = "10.96.0.0/16"
)

// shadowed are settings of the whole machine that a kubelet changes. It gets files of its own in their places.
var shadowed = []string{
	"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops",
	"kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes",
}

// devices are the character devices of an ordinary /dev; major and minor number.
var devices = map[string][2]int{
	"null": {1, 3}, "zero": {1, 5}, "full": {1, 7}, "random": {1, 8}, "urandom": {1, 9}, "kmsg": {1, 11}, "tty": {5, 0},
}

// initialize is process 1: it makes the node's file system and network, says so through descriptor 3, and then starts
// programs for whoever asks.
func initialize(state string) error {
	if err := mountAll(state); err != nil {
		return err
	}
	if err := setUpNetwork(); err != nil {
		return err
	}
	control, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: filepath.Join(state, "control.sock"), Net: "unixpacket"})
	if err != nil {
		return err
	}
	api, err := net.Listen("unix", filepath.Join(state, "api.sock"))
	if err != nil {
		return err
	}
	go join(api, "tcp", nodeAddress+":6443")
	ready := os.NewFile(3, "ready")
	if _, err := ready.WriteString("ready"); err != nil {
		return err
	}
	ready.Close()
	return serve(control, state)
}

func mountAll(state string) error {
	inState := func(name string) string { return filepath.Join(state, name) }
	steps := []mount{
		{"", "/", "", syscall.MS_REC | syscall.MS_PRIVATE, ""},
		{"proc", "/proc", "proc", 0, ""},
		{inState("run"), "/run", "", syscall.MS_BIND, ""},
		{inState("log"), "/var/log", "", syscall.MS_BIND, ""},
		{inState("lib"), "/var/lib", "", syscall.MS_BIND, ""},
		{"tmpfs", "/dev", "tmpfs", syscall.MS_NOSUID, "mode=755,size=1m"},
		{"devpts", "/dev/pts", "devpts", syscall.MS_NOSUID | syscall.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620"},
		{"shm", "/dev/shm", "tmpfs", syscall.MS_NOSUID, "mode=1777,size=64m"},
	}
	for _, name := range shadowed {
		value, err := os.ReadFile(filepath.Join("/proc/sys", name))
		if err != nil {
			continue // this kernel does not have it
		}
		own := inState("sysctl/" + strings.ReplaceAll(name, "/", "."))
		if err := os.WriteFile(own, value, 0o644); err != nil {
			return err
		}
		steps = append(steps, mount{own, filepath.Join("/proc/sys", name), "", syscall.MS_BIND, ""})
	}
	// A kubelet wants the volumes that it mounts to appear in containers that have mounted its folder before.
	steps = append(steps, mount{"", "/", "", syscall.MS_REC | syscall.MS_SHARED, ""})
	for _, step := range steps {
		if err := step.do(); err != nil {
			return err
		}
	}
	return fillDev()
}

// mount is one call of mount(2).
type mount struct {
	source, target, kind string
	flags                uintptr
	options              string
}

func (m mount) do() error {
	if strings.HasPrefix(m.target, "/dev/") {
		if err := os.MkdirAll(m.target, 0o755); err != nil {
			return err
		}
	}
	if err := syscall.Mount(m.source, m.target, m.kind, m.flags, m.options); err != nil {
		return fmt.Errorf("mount %s on %s: %w", m.source, m.target, err)
	}
	return nil
}

func fillDev() error {
	syscall.Umask(0)
	defer syscall.Umask(0o022)
	for name, number := range devices {
		mode := uint32(syscall.S_IFCHR | 0o666)
		if err := syscall.Mknod("/dev/"+name, mode, number[0]<<8|number[1]); err != nil {
			return fmt.Errorf("mknod /dev/%s: %w", name, err)
		}
	}
	links := map[string]string{
		"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2",
		"ptmx": "pts/ptmx",
	}
	for name, target := range links {
		if err := os.Symlink(target, "/dev/"+name); err != nil {
			return err
		}
	}
	return nil
}

// setUpNetwork makes the pods' bridge. Its address, the pods' gateway, is the node's too; there is no way out.
func setUpNetwork() error {
	commands := []string{
		"ip link set lo up",
		"ip link add cni0 address 02:00:00:00:00:01 type bridge",
		"ip address add " + podNetwork + " dev cni0",
		"ip link set cni0 up",
		"ip route add " + serviceRange + " dev cni0",
	}
	for _, command := range commands {
		words := strings.Fields(command)
		if said, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", command, err, said)
		}
	}
	settings := map[string]string{
		"/proc/sys/net/ipv4/ip_forward":                "1",
		"/proc/sys/net/bridge/bridge-nf-call-iptables": "1", // so that a pod reaches its own node's pods through a Service
	}
	for file, value := range settings {
		if err := os.WriteFile(file, []byte(value), 0o644); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return nil
}
