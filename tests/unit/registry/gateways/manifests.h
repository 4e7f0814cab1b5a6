// The documents that people write, as test data.
#pragma once

#include <string>
#include <string_view>

namespace clusterdns::registry::testing_support {

inline constexpr std::string_view kIngressGateway = R"(
apiVersion: v1
kind: Service
metadata: {name: istio-ingressgateway, namespace: istio-system}
spec:
  type: LoadBalancer
  clusterIP: 10.100.200.10
  selector: {app: istio-ingressgateway, istio: ingressgateway}
  ports: [{name: http2, port: 80}, {name: https, port: 443}]
status: {loadBalancer: {ingress: [{ip: 203.0.113.50}]}}
)";

// `<pending>`, with NodePorts: kind without a load balancer.
inline constexpr std::string_view kPendingGateway = R"(
apiVersion: v1
kind: Service
metadata: {name: istio-ingressgateway, namespace: istio-system}
spec:
  type: LoadBalancer
  clusterIP: 10.100.200.10
  selector: {app: istio-ingressgateway, istio: ingressgateway}
  ports:
    - {name: http2, port: 80, nodePort: 31380}
    - {name: https, port: 443, nodePort: 31390}
)";

inline constexpr std::string_view kExampleCom = R"(
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: example-gateway, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers:
    - port: {number: 443, name: https, protocol: HTTPS}
      tls: {mode: SIMPLE, credentialName: example-com}
      hosts: [example.com]
    - port: {number: 80, name: http, protocol: HTTP}
      hosts: [example.com]
)";

// One Gateway, VirtualServices in two namespaces.
inline constexpr std::string_view kWildcard = R"(
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: my-ingress-gateway, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers:
    - port: {number: 443, name: https, protocol: HTTPS}
      tls: {mode: SIMPLE, credentialName: wildcard}
      hosts: ["*.example.com"]
    - port: {number: 80, name: http, protocol: HTTP}
      hosts: ["*.example.com"]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: api, namespace: team-a}
spec:
  hosts: [api.example.com]
  gateways: [istio-system/my-ingress-gateway]
  http: [{route: [{destination: {host: api, port: {number: 80}}}]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop, namespace: team-b}
spec:
  hosts: [shop.example.com]
  gateways: [istio-system/my-ingress-gateway]
  http: [{route: [{destination: {host: shop.team-b.svc.cluster.local, port: {number: 80}}}]}]
---
apiVersion: v1
kind: Service
metadata: {name: api, namespace: team-a}
spec: {selector: {app: api}, ports: [{name: http, port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: team-a}
spec:
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec: {containers: [{name: api, ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: shop, namespace: team-b}
spec: {selector: {app: shop}, ports: [{name: http, port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, namespace: team-b}
spec:
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec: {containers: [{name: shop, ports: [{containerPort: 80}]}]}
)";

// Host `*`, v1alpha3, in front of a headless Service with subsets, half and half.
inline constexpr std::string_view kAnyHost = R"(
apiVersion: networking.istio.io/v1alpha3
kind: Gateway
metadata: {name: python-gateway, namespace: default}
spec:
  selector: {istio: ingressgateway}
  servers:
    - port: {number: 80, name: http, protocol: HTTP}
      hosts: ["*"]
---
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata: {name: python-www, namespace: default}
spec:
  hosts: ["*"]
  gateways: [python-gateway]
  http:
    - route:
        - {destination: {host: python-www, subset: v1}, weight: 50}
        - {destination: {host: python-www, subset: v2}, weight: 50}
---
apiVersion: networking.istio.io/v1alpha3
kind: DestinationRule
metadata: {name: python-www, namespace: default}
spec:
  host: python-www
  subsets:
    - {name: v1, labels: {version: v1}}
    - {name: v2, labels: {version: v2}}
---
apiVersion: v1
kind: Service
metadata: {name: python-www, namespace: default}
spec: {clusterIP: None, selector: {app: python-www}, ports: [{name: http, port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: python-www-v1, namespace: default}
spec:
  replicas: 2
  selector: {matchLabels: {app: python-www, version: v1}}
  template:
    metadata: {labels: {app: python-www, version: v1}}
    spec: {containers: [{name: www, ports: [{containerPort: 80}]}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: python-www-v2, namespace: default}
spec:
  replicas: 2
  selector: {matchLabels: {app: python-www, version: v2}}
  template:
    metadata: {labels: {app: python-www, version: v2}}
    spec: {containers: [{name: www, ports: [{containerPort: 80}]}]}
)";

// Short destinations.
inline constexpr std::string_view kBackendCom = R"(
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: backend-gateway, namespace: default}
spec:
  selector: {istio: ingressgateway}
  servers:
    - port: {number: 80, name: http, protocol: HTTP}
      hosts: ["*.backend.com"]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: backend, namespace: default}
spec:
  hosts: [api.backend.com, www.backend.com]
  gateways: [backend-gateway]
  http:
    - match: [{uri: {prefix: /api}}]
      route: [{destination: {host: server, port: {number: 8080}}}]
    - route: [{destination: {host: web, port: {number: 80}}}]
---
apiVersion: v1
kind: Service
metadata: {name: server, namespace: default}
spec: {selector: {app: server}, ports: [{name: http, port: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: server, namespace: default, labels: {app: server}}
spec: {containers: [{name: server, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec: {selector: {app: web}, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: default, labels: {app: web}}
spec: {containers: [{name: web, ports: [{containerPort: 80}]}]}
)";

// Documents of one file.
template <typename... Texts>
[[nodiscard]] std::string documents(const Texts&... texts) {
  std::string all;
  ((all += (all.empty() ? "" : "\n---\n") + std::string(texts)), ...);
  return all;
}

}  // namespace clusterdns::registry::testing_support
