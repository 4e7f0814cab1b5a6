// Go's resolver asks the server at os.Args[1]; exit code 1 on a wrong answer.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"reflect"
	"sort"
	"strings"
	"sync"
	"time"
)

var failed bool

func same(what string, expected, got any) {
	if !reflect.DeepEqual(expected, got) {
		fmt.Fprintf(os.Stderr, "%s: expected %v, got %v\n", what, expected, got)
		failed = true
	}
}

func main() {
	server := os.Args[1]
	resolver := &net.Resolver{
		PreferGo:     true,
		StrictErrors: true,
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, server)
		},
	}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Second)
	defer cancel()
	const zone = "default.svc.cluster.local."

	addresses := func(network, name string) []string {
		found, err := resolver.LookupIP(ctx, network, name)
		if err != nil {
			return []string{err.Error()}
		}
		var texts []string
		for _, ip := range found {
			texts = append(texts, ip.String())
		}
		sort.Strings(texts)
		return texts
	}
	same("A", []string{"10.96.5.1"}, addresses("ip4", "web."+zone))
	same("both families, IPv4 only", []string{"10.96.5.1"}, addresses("ip", "web."+zone))
	same("both families", []string{"10.96.5.2", "fd00:10:96::502"}, addresses("ip", "dual."+zone))
	same("headless", []string{"10.244.5.1", "10.244.5.2", "10.244.5.3"}, addresses("ip4", "peers."+zone))
	same("alias", []string{"10.96.5.1"}, addresses("ip4", "alias."+zone))
	same("large, through TCP", 60, len(addresses("ip4", "many."+zone)))

	_, srvs, err := resolver.LookupSRV(ctx, "db", "tcp", "peers."+zone)
	var targets []string
	for _, srv := range srvs {
		same("SRV port", uint16(5432), srv.Port)
		targets = append(targets, srv.Target)
	}
	sort.Strings(targets)
	same("SRV error", nil, err)
	same("SRV", []string{"peer-0.peers." + zone, "peer-1.peers." + zone, "peer-2.peers." + zone}, targets)

	names, err := resolver.LookupAddr(ctx, "10.96.5.1")
	same("PTR error", nil, err)
	same("PTR", []string{"web." + zone}, names)
	texts, err := resolver.LookupTXT(ctx, "dns-version.cluster.local.")
	same("TXT error", nil, err)
	same("TXT", []string{"1.1.0"}, texts)
	canonical, err := resolver.LookupCNAME(ctx, "alias."+zone)
	same("CNAME error", nil, err)
	same("CNAME", "web."+zone, canonical)
	servers, err := resolver.LookupNS(ctx, "cluster.local.")
	same("NS error", nil, err)
	same("NS", 1, len(servers))

	var notFound *net.DNSError
	_, err = resolver.LookupHost(ctx, "nothing."+zone)
	same("NXDOMAIN is not found", true, errors.As(err, &notFound) && notFound.IsNotFound)
	_, err = resolver.LookupIP(ctx, "ip6", "web."+zone)
	same("NODATA is not found", true, errors.As(err, &notFound) && notFound.IsNotFound)
	_, err = resolver.LookupIP(ctx, "ip4", "default.svc.cluster.local.")
	same("empty non-terminal is not found", true, errors.As(err, &notFound) && notFound.IsNotFound)

	// Many at once, each with sockets of its own.
	var group sync.WaitGroup
	var mutex sync.Mutex
	wrong := map[string]int{}
	for i := 0; i < 200; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			got := strings.Join(addresses("ip", "dual."+zone), " ")
			if got != "10.96.5.2 fd00:10:96::502" {
				mutex.Lock()
				wrong[got]++
				mutex.Unlock()
			}
		}()
	}
	group.Wait()
	same("many at once", map[string]int{}, wrong)
	if failed {
		os.Exit(1)
	}
	fmt.Println("Go: every answer was right")
}
