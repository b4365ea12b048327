// Reads CDI specs, one JSON text a line, as a container runtime would, and says of each in a line of its own what is wrong
// with it: nothing for one that it would take.
package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"tags.cncf.io/container-device-interface/pkg/cdi"
)

func main() {
	folder, err := os.MkdirTemp("", "cdi-validator-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer os.RemoveAll(folder)
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	path := filepath.Join(folder, "spec.json")
	for lines.Scan() {
		if err := os.WriteFile(path, lines.Bytes(), 0o600); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		verdict := ""
		if _, err := cdi.ReadSpec(path, 0); err != nil {
			verdict = strings.ReplaceAll(err.Error(), "\n", " ")
		}
		fmt.Println(verdict)
	}
}
