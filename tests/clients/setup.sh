#!/bin/bash
# setup, doctor and unsetup on a machine of its own: a network namespace with its own resolv.conf,
# which is mounted there as in a container, and its own /var/lib. Programs ask through getaddrinfo().
. "$(dirname "$0")/lib.sh"
need getent libc-bin
need python3 python3
enter_namespace
mkdir "$WORK/lib" "$WORK/manifests"
printf 'nameserver 192.0.2.53\noptions timeout:30 attempts:1\n' >"/etc/netns/$NS/resolv.conf"
cp "/etc/netns/$NS/resolv.conf" "$WORK/resolv.conf"
printf 'hosts: files dns\n' >"/etc/netns/$NS/nsswitch.conf"
printf '127.0.0.1 localhost\n' >"/etc/netns/$NS/hosts"
cat >"$WORK/manifests/shop.yaml" <<'YAML'
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop}
spec: {rules: [{host: shop.example.com}]}
status: {loadBalancer: {ingress: [{ip: 203.0.113.50}]}}
YAML
start_server 127.0.0.1:53 --manifests "$WORK/manifests" --no-forward

clusterdns() { on_machine "$CLUSTERDNS_BINARY" "$@" </dev/null 2>&1; }
address() { on_machine getent ahostsv4 shop.example.com | awk '$2 == "STREAM" {print $1}'; }
# The codes of what is not well. Browsers are those of the people of this machine.
in_the_way() {
  clusterdns doctor -o json | python3 -c '
import json, sys
checks = json.load(sys.stdin)["checks"]
assert all(c["ok"] or c["fix"] for c in checks), checks
print(*sorted({c["code"] for c in checks if not c["ok"] and c["code"] != "doh"}))'
}

same "before setup" "" "$(address)"
same "what is in the way then" "answer nameserver" "$(in_the_way)"
same "doctor's exit code" 1 "$(clusterdns doctor >/dev/null; echo $?)"
contains "without a terminal" "add --yes" "$(clusterdns setup --backend resolv.conf)"

contains "setup" "Done." "$(clusterdns setup --backend resolv.conf --yes)"
same "behind setup" 203.0.113.50 "$(address)"
same "nothing in the way" "" "$(in_the_way)"
contains "what doctor tried" "shop.example.com is 203.0.113.50 for programs, too" \
  "$(clusterdns doctor)"
contains "once more" "set up already" "$(clusterdns setup --backend resolv.conf --yes)"

printf '10.0.0.1 shop.example.com\n' >>"/etc/netns/$NS/hosts"
same "a line of /etc/hosts" "answer hosts-file" "$(in_the_way)"
contains "where it stands" "/etc/hosts:2: shop.example.com is 10.0.0.1 here" "$(clusterdns doctor)"
printf '127.0.0.1 localhost\n' >"/etc/netns/$NS/hosts"
printf 'hosts: files\n' >"/etc/netns/$NS/nsswitch.conf"
same "nsswitch.conf without dns" "answer nsswitch" "$(in_the_way)"
printf 'hosts: files dns\n' >"/etc/netns/$NS/nsswitch.conf"
same "another server" "answer port server" \
  "$(clusterdns doctor --server 127.0.0.1:9 -o json | python3 -c '
import json, sys
print(*sorted(c["code"] for c in json.load(sys.stdin)["checks"] if not c["ok"] and c["code"] in ("answer", "port", "server")))')"

contains "unsetup" "Done." "$(clusterdns unsetup --yes)"
same "octet for octet" same "$(cmp "$WORK/resolv.conf" "/etc/netns/$NS/resolv.conf" && echo same)"
same "nothing is left" "" "$(ls -A "$WORK/lib")"
