// Command apidoc prints docs/api.md, the reference of the API, from the CRD, which is what the API server enforces,
// and the Go types, which have the order of the fields and the meaning of the constants: apidoc CRD PACKAGE.
// `make manifests` runs it.
package main

import (
	"fmt"
	"os"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: apidoc CRD PACKAGE")
		os.Exit(2)
	}
	page, err := generate(os.Args[1], os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, "apidoc:", err)
		os.Exit(1)
	}
	fmt.Print(page)
}

func generate(crdFile, folder string) (string, error) {
	d, err := readDefinition(crdFile)
	if err != nil {
		return "", err
	}
	s, err := readSource(folder)
	if err != nil {
		return "", err
	}
	p := &page{source: s}
	return p.write(d)
}
