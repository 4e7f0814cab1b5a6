#!/bin/bash
# glibc's own resolver, in a network namespace with its own resolv.conf, as in a pod.
. "$(dirname "$0")/lib.sh"
need getent libc-bin
enter_namespace
cat >"/etc/netns/$NS/resolv.conf" <<'CONF'
nameserver 127.0.0.1
search default.svc.cluster.local svc.cluster.local cluster.local
options ndots:5 timeout:30 attempts:1
CONF
printf 'hosts: dns\n' >"/etc/netns/$NS/nsswitch.conf"
# Port 53 of a namespace of our own: nobody else can have it.
start_server 127.0.0.1:53 --manifests "$HERE/data" --no-forward
ask() { limited ip netns exec "$NS" getent "$@"; }
addresses() { ask "$@" | awk '$2 == "STREAM" || NF == 2 || $2 !~ /^(DGRAM|RAW)$/ {print $1}' | sort -u; }

same "short name" 10.96.5.1 "$(addresses ahostsv4 web)"
same "name and namespace" 10.96.5.3 "$(addresses ahostsv4 api.shop)"
same "name, namespace, svc" 10.96.5.3 "$(addresses ahostsv4 api.shop.svc)"
same "whole name" 10.96.5.1 "$(addresses ahostsv4 web.default.svc.cluster.local)"
same "whole name with the dot" 10.96.5.1 "$(addresses ahostsv4 web.default.svc.cluster.local.)"
same_set "both families" $'10.96.5.2\nfd00:10:96::502' "$(addresses ahosts dual)"
same "IPv4 only, both asked" 10.96.5.1 "$(addresses ahosts web)"
same_set "headless" $'10.244.5.1\n10.244.5.2\n10.244.5.3' "$(addresses ahostsv4 peers)"
same "endpoint" 10.244.5.3 "$(addresses ahostsv4 peer-2.peers)"
same "alias" 10.96.5.1 "$(addresses ahostsv4 alias)"
counts "large answer through TCP" 60 '^10\.' "$(addresses ahostsv4 many)"
same "reverse" "web.default.svc.cluster.local" "$(ask hosts 10.96.5.1 | awk '{print $2}')"
same "reverse IPv6" "dual.default.svc.cluster.local" \
  "$(ask hosts fd00:10:96::502 | awk '{print $2}')"
same "not found" 2 "$(ask ahostsv4 nothing >/dev/null; echo $?)"
same "not found, many dots" 2 "$(ask ahostsv4 a.b.c.d.e.f.cluster.local >/dev/null; echo $?)"
