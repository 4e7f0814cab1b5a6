#include "integration/fixture.h"

#include <algorithm>

namespace clusterdns::test {

std::string service_yaml(std::string_view name, std::string_view cluster_ip, std::string_view ns) {
  return "apiVersion: v1\nkind: Service\nmetadata:\n  name: " + std::string(name) +
         "\n  namespace: " + std::string(ns) + "\nspec:\n  clusterIP: \"" +
         std::string(cluster_ip) + "\"\n  ports:\n  - name: http\n    port: 80\n";
}

std::string headless_yaml(std::string_view name, const std::vector<std::string>& addresses,
                          std::string_view ns) {
  const std::string service(name);
  std::string text = "apiVersion: v1\nkind: Service\nmetadata:\n  name: " + service +
                     "\n  namespace: " + std::string(ns) +
                     "\nspec:\n  clusterIP: None\n  ports:\n  - name: http\n    port: 80\n---\n"
                     "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata:\n  name: " +
                     service + "-1\n  namespace: " + std::string(ns) +
                     "\n  labels:\n    kubernetes.io/service-name: " + service +
                     "\naddressType: IPv4\nports:\n- name: http\n  port: 80\nendpoints:\n";
  for (const std::string& address : addresses) {
    text += "- addresses: [\"" + address + "\"]\n";
  }
  return text;
}

ServerProcess& Integration::serve(std::vector<std::string> arguments) {
  std::vector<std::string> all{"serve", "--manifests", manifests_.path().string()};
  const auto given = [&](std::string_view option) {
    return std::find(arguments.begin(), arguments.end(), option) != arguments.end();
  };
  if (!given("--listen")) {
    all.insert(all.end(), {"--listen", "127.0.0.1:0"});
  }
  if (!given("--forward")) {
    all.emplace_back("--no-forward");
  }
  if (!given("--console")) {
    all.emplace_back("--no-console");
  }
  all.insert(all.end(), arguments.begin(), arguments.end());
  server_.emplace(ProcessOptions{.arguments = std::move(all)});
  server_->wait_until_listening();
  return *server_;
}

std::string Integration::with_paths(std::string_view corefile) const {
  std::string text(corefile);
  const std::string_view mark = "%M";
  for (std::size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, at)) {
    text.replace(at, mark.size(), manifests_.path().string());
  }
  return text;
}

ServerProcess& Integration::serve_corefile(std::string_view corefile, ProcessOptions options) {
  const auto path = directory_.write("Corefile", with_paths(corefile));
  options.arguments.insert(options.arguments.begin(), {"-conf", path.string()});
  server_.emplace(std::move(options));
  server_->wait_until_listening();
  return *server_;
}

Message Integration::ask(std::string_view name, std::string_view type) {
  return test::ask(endpoint(), Query{.name = std::string(name), .type = std::string(type)});
}

std::vector<std::string> Integration::addresses(std::string_view name, std::string_view type) {
  return data_of(ask(name, type).answer, type);
}

std::optional<std::chrono::milliseconds> Integration::until(const std::function<bool()>& done,
                                                            std::chrono::milliseconds budget) {
  const auto start = std::chrono::steady_clock::now();
  const Deadline deadline = Deadline::after(budget * kBuildFactor);
  do {
    if (done()) {
      return std::chrono::duration_cast<std::chrono::milliseconds>(
          std::chrono::steady_clock::now() - start);
    }
  } while (!deadline.passed());
  return std::nullopt;
}

void Integration::stop() {
  if (server_.has_value()) {
    EXPECT_EQ(server_->stop(), 0) << server_->output();
    server_.reset();
  }
}

void Integration::TearDown() { stop(); }

}  // namespace clusterdns::test
