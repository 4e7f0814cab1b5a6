// The same with Go's own resolver.
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"
)

func main() {
	resolver := net.Resolver{PreferGo: true}
	for _, name := range os.Args[1:] {
		begin := time.Now()
		found, err := resolver.LookupHost(context.Background(), name)
		ms := float64(time.Since(begin).Nanoseconds()) / 1e6
		state := "ok"
		if err != nil {
			state = err.Error()
		}
		fmt.Printf("%s\t%s\t", name, state)
		for _, address := range found {
			fmt.Printf("%s ", address)
		}
		fmt.Printf("\t%.3f\n", ms)
	}
}
