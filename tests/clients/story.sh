#!/bin/bash
# A developer's afternoon: a folder with a Gateway, a VirtualService and a Deployment; `serve`, `setup`,
# and curl finds the host without /etc/hosts. An edit is followed, and `unsetup` leaves no trace. On a
# machine of its own: a network namespace with its own /etc/resolv.conf and /var/lib.
. "$(dirname "$0")/lib.sh"
need curl curl
need python3 python3
need getent libc-bin
enter_namespace
ETC=/etc/netns/$NS
printf 'nameserver 192.0.2.53\noptions timeout:30 attempts:1\n' >"$ETC/resolv.conf"
printf 'hosts: files dns\n' >"$ETC/nsswitch.conf"
printf '127.0.0.1 localhost\n' >"$ETC/hosts"
mkdir "$WORK/lib" "$WORK/project"
for address in 203.0.113.50 203.0.113.51; do
  ip netns exec "$NS" ip address add $address/32 dev lo
done
# Every file, link and folder of that machine, with what it is and holds.
machine() {
  (cd "$1" && find . -printf '%p %y %m %U %G %l\n' | sort && find . -type f -exec sha256sum {} + | sort)
}
clusterdns() { on_machine "$CLUSTERDNS_BINARY" "$@" </dev/null 2>&1; }
fetch() { on_machine curl --silent --show-error --max-time "$LIMIT" "$@" 2>&1; }

cat >"$WORK/project/app.yaml" <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec: {containers: [{name: shop, image: shop, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {selector: {app: shop}, ports: [{name: http, port: 80, targetPort: 8080}]}
YAML
# routes HOST ADDRESS: written as editors do, to the side and renamed.
routes() {
  cat >"$WORK/project/.routes.new" <<YAML
apiVersion: v1
kind: Service
metadata: {name: istio-ingressgateway, namespace: istio-system}
spec:
  type: LoadBalancer
  selector: {istio: ingressgateway}
  ports: [{name: http2, port: 80}]
status: {loadBalancer: {ingress: [{ip: $2}]}}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: web}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: [$1]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop}
spec:
  hosts: [$1]
  gateways: [web]
  http: [{route: [{destination: {host: shop}}]}]
YAML
  mv "$WORK/project/.routes.new" "$WORK/project/routes.yaml"
}
routes shop.example.com 203.0.113.50

serve_http 203.0.113.50 203.0.113.51

BEFORE=$(machine "$ETC"; machine "$WORK/lib")
# Port 53, as where no nftables are; upstreams are those that resolv.conf names.
start_server 127.0.0.1:53 "$WORK/project" --console 127.0.0.1:5380
contains "setup" "Done." "$(clusterdns setup --yes)"
contains "clusterdns wait" "shop.example.com" "$(clusterdns wait shop.example.com --timeout 60s)"
same "curl http://shop.example.com/" "shop.example.com at 203.0.113.50" \
  "$(fetch http://shop.example.com/)"
contains "explain says why" "VirtualService default/shop" "$(clusterdns explain shop.example.com --server http://127.0.0.1:5380)"

# The gateway moves.
routes shop.example.com 203.0.113.51
contains "the new address" "203.0.113.51" \
  "$(clusterdns wait shop.example.com --address 203.0.113.51 --timeout 60s)"
same "curl follows" "shop.example.com at 203.0.113.51" "$(fetch http://shop.example.com/)"
# Another host, with its letters as nobody writes them.
routes Cart.Example.com 203.0.113.51
contains "the new host" "cart.example.com" "$(clusterdns wait cart.example.com --timeout 60s)"
same "curl finds it" "cart.example.com at 203.0.113.51" "$(fetch http://cart.example.com/)"
same "names of services" yes \
  "$(on_machine getent ahostsv4 shop.default.svc.cluster.local >/dev/null && echo yes)"

contains "unsetup" "Done." "$(clusterdns unsetup --yes)"
same "nothing is left of it" "$BEFORE" "$(machine "$ETC"; machine "$WORK/lib")"
