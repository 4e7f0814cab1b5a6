#!/bin/bash
# curl http://shop.example.com/ from a Gateway, a VirtualService and a Deployment, without a hosts
# file: in a network namespace whose resolver is ours, with an HTTP server at the gateway's address.
. "$(dirname "$0")/lib.sh"
need curl curl
need python3 python3
need getent libc-bin
need dig bind9-dnsutils
enter_namespace
echo 'nameserver 127.0.0.1' >"/etc/netns/$NS/resolv.conf"
printf 'hosts: dns\n' >"/etc/netns/$NS/nsswitch.conf"
# The gateway's address, as the load balancer's status has it.
ip netns exec "$NS" ip address add 203.0.113.50/32 dev lo

mkdir "$WORK/manifests"
manifest() { # address of the load balancer
  cat <<YAML
apiVersion: v1
kind: Service
metadata: {name: istio-ingressgateway, namespace: istio-system}
spec:
  type: LoadBalancer
  selector: {istio: ingressgateway}
  ports: [{name: http2, port: 80}]
status: {loadBalancer: {ingress: [{ip: $1}]}}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: web, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*.example.com"]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop}
spec:
  hosts: [shop.example.com]
  gateways: [istio-system/web]
  http: [{route: [{destination: {host: shop}}]}]
---
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {selector: {app: shop}, ports: [{name: http, port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec: {containers: [{name: shop, image: shop, ports: [{containerPort: 80}]}]}
YAML
}
manifest 203.0.113.50 >"$WORK/manifests/web.yaml"
start_server 127.0.0.1:53 --manifests "$WORK/manifests" --no-forward

serve_http 203.0.113.50

fetch() { limited ip netns exec "$NS" curl --silent --show-error --max-time "$LIMIT" "$@"; }
same "curl http://shop.example.com/" "shop.example.com at 203.0.113.50" "$(fetch http://shop.example.com/)"
same "a host of the wildcard" "api.example.com at 203.0.113.50" "$(fetch http://api.example.com/)"
same "other letter case" 200 "$(fetch -o /dev/null -w '%{http_code}' http://SHOP.Example.COM/)"
same "a name that no gateway has" 6 "$(fetch http://shop.example.org/ >/dev/null 2>&1; echo $?)"
same "getaddrinfo, both families" 203.0.113.50 \
  "$(limited ip netns exec "$NS" getent ahosts shop.example.com | awk '$2 == "STREAM" {print $1}')"

# A browser opens the page. Browsers ask for HTTPS records too (this one only with a resolver of its own,
# which it does not use as root), and must not be led to an address of the real domain's by one.
same "no HTTPS record" "NOERROR, ANSWER: 0, AUTHORITY: 1," "$(limited ip netns exec "$NS" dig @127.0.0.1 \
  shop.example.com HTTPS | grep -oE 'NOERROR,|ANSWER: [0-9]+,|AUTHORITY: [0-9]+,' | xargs)"
browser=$(command -v chromium-headless-shell || command -v chromium || true)
if [ -n "$browser" ]; then
  mkdir "$WORK/home"
  page=$(HOME=$WORK/home LIMIT=$((LIMIT * 3)) limited ip netns exec "$NS" "$browser" --headless --no-sandbox \
    --disable-gpu --disable-dev-shm-usage --disable-component-update --disable-background-networking \
    --dump-dom http://shop.example.com/ 2>"$WORK/browser")
  contains "Chromium opens http://shop.example.com/" "shop.example.com at 203.0.113.50" \
    "$page$(tail -n 20 "$WORK/browser")"
else
  echo "not run: a browser opens the page (Debian package chromium-headless-shell is not installed)"
fi

# explain says the same, and finds nothing wrong.
explain() { "$CLUSTERDNS_BINARY" explain "$@" --manifests "$WORK/manifests"; }
contains "explain" "203.0.113.50" "$(explain shop.example.com)"
same "exit code of explain" 0 "$(explain shop.example.com >/dev/null; echo $?)"
same "exit code of what is not routed" 1 "$(explain api.example.com >/dev/null; echo $?)"
