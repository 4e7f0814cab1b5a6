// What tests of the Kubernetes API as a source share: a source, and a cluster behind a scripted
// API.
#pragma once

#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "registry/kubernetes/kubernetes_source.h"
#include "tests/unit/registry/kubernetes/scripted_api.h"

namespace clusterdns::registry::kubernetes {

using testing::Exchange;
using testing::FakeCluster;
using testing::kImports;
using testing::kNamespaces;
using testing::kPods;
using testing::kServices;
using testing::kSlices;
using testing::ScriptedApi;

inline std::string service(const std::string& ip) {
  return R"({"spec":{"clusterIP":")" + ip + R"(","clusterIPs":[")" + ip +
         R"("],"type":"ClusterIP","ports":[{"name":"http","protocol":"TCP","port":80}]}})";
}

inline std::string slice(const std::string& service_name,
                         const std::vector<std::string>& addresses) {
  std::string endpoints;
  for (const std::string& address : addresses) {
    endpoints += (endpoints.empty() ? "" : ",") +
                 (R"({"addresses":[")" + address + R"("],"conditions":{"ready":true}})");
  }
  return R"({"metadata":{"labels":{"kubernetes.io/service-name":")" + service_name +
         R"("}},"addressType":"IPv4","ports":[{"name":"http","protocol":"TCP","port":8080}],)"
         R"("endpoints":[)" +
         endpoints + "]}";
}

// Counts commits, so that a test sees what an observer would have been shown.
class Commits final : public StoreObserver {
 public:
  explicit Commits(Store& store) : store_(store) { store_.add_observer(this); }
  ~Commits() override { store_.remove_observer(this); }
  void on_commit(const Changes&) override { ++count; }
  std::size_t count = 0;

 private:
  Store& store_;
};

class KubernetesSourceTest : public ::testing::Test {
 protected:
  KubernetesSourceTest() {
    folder_ = std::filesystem::temp_directory_path() /
              ("clusterdns-source-" + std::to_string(::getpid()) + "-" +
               ::testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(folder_);
    cluster_.put(kNamespaces, "default", "{}");
    cluster_.put(kServices, "default/web", service("10.96.0.20"));
    cluster_.put(kSlices, "default/web-1", slice("web", {"10.244.0.5", "10.244.0.6"}));
    options_.api.servers.push_back({"127.0.0.1", api_.port(), false, ""});
    options_.lease = std::chrono::seconds(30);
  }
  ~KubernetesSourceTest() override {
    source_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  void start() {
    source_ = std::make_unique<KubernetesSource>(
        options_, store_, options_.multicluster ? &imports_ : nullptr, logger_);
    source_->load_snapshot();
    source_->start(io_, [this] { ++synced_calls_; });
  }

  // Runs client and server until `done`; false when that takes longer than a test should.
  // `times`: so many times as long.
  template <class Done>
  bool until(Done done, int times = 1) {
    const char* const factor = std::getenv("CLUSTERDNS_TEST_PATIENCE");
    const auto deadline =
        std::chrono::steady_clock::now() +
        std::chrono::seconds(60) * times * (factor == nullptr ? 1 : std::max(1, std::atoi(factor)));
    while (!done()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      io_.restart();
      io_.run_one_for(std::chrono::milliseconds(100));
    }
    return true;
  }
  // The API behind TLS, as it has to be for those who say who they are.
  void use_tls() {
    identity_ = testing::make_identity(-1, 1);
    secure_ = std::make_unique<ScriptedApi>(io_, &identity_);
    secure_->handler = api_.handler;
    options_.api.servers = {{"127.0.0.1", secure_->port(), true, ""}};
    options_.api.ca_data = identity_.certificate;
  }
  bool sync() {
    start();
    return until([&] { return source_->synced(); });
  }

  std::vector<std::string> endpoints(const std::string& name) {
    std::vector<std::string> found;
    for (const EndpointSlice* one : store_.slices({"default", name})) {
      for (const Endpoint& endpoint : one->endpoints) found.push_back(endpoint.address.to_string());
    }
    return found;
  }
  const KindStatus& kind(const char* name) { return source_->status().kinds.at(name); }
  std::string write(const std::string& name, const std::string& text) {
    const auto path = folder_ / name;
    std::ofstream(path.string() + ".new", std::ios::binary) << text;
    std::filesystem::rename(path.string() + ".new", path);
    return path.string();
  }

  boost::asio::io_context io_{1};
  ScriptedApi api_{io_};
  FakeCluster cluster_{io_, api_};
  // Lines of the log that hold `text`.
  std::vector<std::string> lines(const std::string& text) {
    std::vector<std::string> found;
    std::istringstream log(log_.str());
    for (std::string line; std::getline(log, line);) {
      if (line.find(text) != std::string::npos) found.push_back(line);
    }
    return found;
  }

  std::ostringstream log_;
  std::shared_ptr<spdlog::logger> logger_ = std::make_shared<spdlog::logger>(
      "test", std::make_shared<spdlog::sinks::ostream_sink_mt>(log_));
  testing::Identity identity_;
  std::unique_ptr<ScriptedApi> secure_;
  SourceOptions options_;
  Store store_, imports_;
  std::unique_ptr<KubernetesSource> source_;
  std::filesystem::path folder_;
  int synced_calls_ = 0;
};

// As an API server compresses a page.
inline std::string gzip(const std::string& text) {
  z_stream stream{};
  if (deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) return {};
  std::string out(deflateBound(&stream, text.size()), '\0');
  std::string in = text;
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

}  // namespace clusterdns::registry::kubernetes
