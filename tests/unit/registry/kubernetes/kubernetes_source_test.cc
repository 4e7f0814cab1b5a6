#include "registry/kubernetes/kubernetes_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/null_sink.h>
#include <sys/stat.h>
#include <zlib.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "registry/kubernetes/snapshot.h"
#include "tests/unit/registry/kubernetes/scripted_api.h"

namespace clusterdns::registry::kubernetes {
namespace {

using testing::Exchange;
using testing::FakeCluster;
using testing::kImports;
using testing::kNamespaces;
using testing::kPods;
using testing::kServices;
using testing::kSlices;
using testing::ScriptedApi;

std::string service(const std::string& ip) {
  return R"({"spec":{"clusterIP":")" + ip + R"(","clusterIPs":[")" + ip +
         R"("],"type":"ClusterIP","ports":[{"name":"http","protocol":"TCP","port":80}]}})";
}

std::string slice(const std::string& service_name, const std::vector<std::string>& addresses) {
  std::string endpoints;
  for (const std::string& address : addresses) {
    endpoints += (endpoints.empty() ? "" : ",") + (R"({"addresses":[")" + address +
                 R"("],"conditions":{"ready":true}})");
  }
  return R"({"metadata":{"labels":{"kubernetes.io/service-name":")" + service_name +
         R"("}},"addressType":"IPv4","ports":[{"name":"http","protocol":"TCP","port":8080}],)"
         R"("endpoints":[)" + endpoints + "]}";
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
  template <class Done>
  bool until(Done done) {
    const char* const factor = std::getenv("CLUSTERDNS_TEST_PATIENCE");
    const auto deadline = std::chrono::steady_clock::now() +
                          std::chrono::seconds(20) * (factor == nullptr ? 1 : std::max(1, std::atoi(factor)));
    while (!done()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      io_.restart();
      io_.run_one_for(std::chrono::milliseconds(100));
    }
    return true;
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
  std::shared_ptr<spdlog::logger> logger_ = std::make_shared<spdlog::logger>(
      "test", std::make_shared<spdlog::sinks::null_sink_mt>());
  SourceOptions options_;
  Store store_, imports_;
  std::unique_ptr<KubernetesSource> source_;
  std::filesystem::path folder_;
  int synced_calls_ = 0;
};

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST_F(KubernetesSourceTest, StreamedListsFillTheStore) {
  ASSERT_TRUE(sync());
  EXPECT_EQ(synced_calls_, 1);
  ASSERT_NE(store_.service({"default", "web"}), nullptr);
  EXPECT_EQ(store_.service({"default", "web"})->cluster_ips.at(0).to_string(), "10.96.0.20");
  EXPECT_THAT(endpoints("web"), ElementsAre("10.244.0.5", "10.244.0.6"));
  EXPECT_NE(store_.find_namespace("default"), nullptr);
  EXPECT_EQ(cluster_.lists[kServices], 1U);
  EXPECT_TRUE(kind("services").watching);
}

TEST_F(KubernetesSourceTest, NothingIsShownBeforeEveryKindIsComplete) {
  std::shared_ptr<Exchange> held;
  cluster_.instead = [&](const std::shared_ptr<Exchange>& exchange) {
    if (exchange->path != kSlices || held) return false;
    held = exchange;
    return true;
  };
  const Commits commits(store_);
  start();
  ASSERT_TRUE(until([&] {
    return held && kind("services").synced && kind("namespaces").synced;
  }));
  EXPECT_EQ(commits.count, 0U);
  EXPECT_FALSE(source_->synced());
  // The held one breaks off; the next attempt is answered.
  held->drop();
  ASSERT_TRUE(until([&] { return source_->synced(); }));
  EXPECT_EQ(commits.count, 1U);
}

TEST_F(KubernetesSourceTest, PagedListsWhereListsAreNotStreamed) {
  cluster_.streams_lists = false;
  cluster_.page = 2;
  for (int i = 0; i < 5; ++i) {
    cluster_.put(kServices, "default/s" + std::to_string(i), service("10.96.1." + std::to_string(i + 1)));
  }
  ASSERT_TRUE(sync());
  EXPECT_EQ(store_.service_count(), 6U);
  // One attempt at a stream, then three pages.
  EXPECT_EQ(cluster_.lists[kServices], 4U);
  ASSERT_TRUE(until([&] { return kind("services").watching; }));
  cluster_.erase(kServices, "default/s3");
  ASSERT_TRUE(until([&] { return store_.service({"default", "s3"}) == nullptr; }));
}

// What an API server sends as one page, compressed.
std::string gzip(const std::string& text) {
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

std::string services_page(int count) {
  std::string items;
  for (int i = 0; i < count; ++i) {
    const std::string text = service("10.96.2." + std::to_string(i + 1));
    items += (i == 0 ? "" : ",") +
             (R"({"metadata":{"namespace":"default","name":"s)" + std::to_string(i) +
              R"(","resourceVersion":"50"},)" + text.substr(1));
  }
  return R"({"kind":"ServiceList","apiVersion":"v1","metadata":{"resourceVersion":"60"},"items":[)" + items + "]}";
}

TEST_F(KubernetesSourceTest, CompressedListsAreReadAsTheyCome) {
  cluster_.streams_lists = false;
  unsigned pages = 0;
  cluster_.instead = [&](const std::shared_ptr<Exchange>& exchange) {
    if (exchange->path != kServices || exchange->query.contains("watch")) return false;
    EXPECT_EQ(exchange->headers["accept-encoding"], "gzip");
    std::string body = gzip(services_page(40));
    // The first is broken in the middle: it counts for nothing, and another is asked for.
    if (++pages == 1) body[body.size() / 2] = static_cast<char>(body[body.size() / 2] ^ 0xFF);
    exchange->send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n"
                   "Transfer-Encoding: chunked\r\n\r\n");
    for (std::size_t at = 0; at < body.size(); at += 7) exchange->chunk(body.substr(at, 7));
    exchange->finish();
    return true;
  };
  ASSERT_TRUE(sync());
  EXPECT_EQ(pages, 2U);
  EXPECT_EQ(kind("services").list_errors.at(0), 1U);
  EXPECT_EQ(store_.service_count(), 40U);
  EXPECT_EQ(store_.service({"default", "s39"})->cluster_ips.at(0).to_string(), "10.96.2.40");
}

// A server that pauses for longer than a list may stand still gets more time at each try.
TEST_F(KubernetesSourceTest, AListThatPausesIsNotBegunAnewForEver) {
  cluster_.streams_lists = false;
  options_.list_idle = std::chrono::milliseconds(40);
  std::vector<std::shared_ptr<boost::asio::steady_timer>> timers;
  cluster_.instead = [&](const std::shared_ptr<Exchange>& exchange) {
    if (exchange->path != kServices || exchange->query.contains("watch")) return false;
    const std::string body = services_page(3);
    exchange->begin();
    exchange->chunk(body.substr(0, body.size() / 2));
    timers.push_back(std::make_shared<boost::asio::steady_timer>(io_, std::chrono::milliseconds(100)));
    timers.back()->async_wait([exchange, rest = body.substr(body.size() / 2)](const boost::system::error_code&) {
      if (!exchange->open()) return;
      exchange->chunk(rest);
      exchange->finish();
    });
    return true;
  };
  ASSERT_TRUE(sync());
  EXPECT_GE(kind("services").list_errors.at(0), 1U) << "the first is given up";
  EXPECT_EQ(store_.service_count(), 3U);
}

TEST_F(KubernetesSourceTest, EventsChangeTheStore) {
  ASSERT_TRUE(sync());
  cluster_.update(kSlices, "default/web-1", slice("web", {"10.244.0.7"}));
  ASSERT_TRUE(until([&] { return endpoints("web") == std::vector<std::string>{"10.244.0.7"}; }));
  cluster_.update(kServices, "default/new", service("10.96.0.21"));
  ASSERT_TRUE(until([&] { return store_.service({"default", "new"}) != nullptr; }));
  cluster_.erase(kServices, "default/web");
  cluster_.erase(kSlices, "default/web-1");
  ASSERT_TRUE(until([&] { return store_.service({"default", "web"}) == nullptr &&
                                 endpoints("web").empty(); }));
  EXPECT_EQ(kind("services").repairs_removed, 0U);
}

TEST_F(KubernetesSourceTest, ARenewedWatchGoesOnOnTheSameConnection) {
  options_.lease = std::chrono::seconds(1);
  ASSERT_TRUE(sync());
  ASSERT_TRUE(until([&] { return cluster_.watches[kServices] >= 2; }));
  EXPECT_EQ(cluster_.lists[kServices], 1U);
  EXPECT_EQ(api_.connections(), 3U);
  EXPECT_EQ(kind("services").watches_dead, 0U);
  cluster_.update(kServices, "default/new", service("10.96.0.21"));
  ASSERT_TRUE(until([&] { return store_.service({"default", "new"}) != nullptr; }));
}

TEST_F(KubernetesSourceTest, ASilentWatchIsGivenUpAndWhatWasMissedIsFetched) {
  options_.lease = std::chrono::seconds(1);
  options_.grace = std::chrono::milliseconds(200);
  cluster_.ends_watches = false;
  ASSERT_TRUE(sync());
  // Missed by the watch that is open; the next one from the old version would be told.
  cluster_.put(kServices, "default/new", service("10.96.0.21"));
  cluster_.instead = [&](const std::shared_ptr<Exchange>& exchange) {
    if (exchange->path != kServices || exchange->query.contains("sendInitialEvents")) return false;
    exchange->reply(410, R"({"kind":"Status","code":410,"reason":"Expired"})");
    return true;
  };
  ASSERT_TRUE(until([&] { return store_.service({"default", "new"}) != nullptr; }));
  EXPECT_GE(kind("services").watches_dead, 1U);
  EXPECT_EQ(kind("services").repairs_added, 1U);
}

TEST_F(KubernetesSourceTest, AnExpiredVersionIsListedAgainAsADifference) {
  ASSERT_TRUE(sync());
  ASSERT_TRUE(until([&] { return kind("services").watching && kind("endpointslices").watching; }));
  const Commits commits(store_);
  cluster_.remove(kServices, "default/web");
  cluster_.put(kServices, "default/new", service("10.96.0.21"));
  cluster_.tell(kServices, R"({"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}})" "\n");
  ASSERT_TRUE(until([&] { return store_.service({"default", "new"}) != nullptr &&
                                 store_.service({"default", "web"}) == nullptr; }));
  EXPECT_EQ(kind("services").repairs_added, 1U);
  EXPECT_EQ(kind("services").repairs_removed, 1U);
  EXPECT_EQ(kind("services").repairs_changed, 0U);
  EXPECT_EQ(cluster_.lists[kServices], 2U);
  ASSERT_TRUE(until([&] { return commits.count == 1; }));
}

TEST_F(KubernetesSourceTest, ServesOnWhileTheServerIsAwayAndCatchesUp) {
  ASSERT_TRUE(sync());
  api_.shut();
  ASSERT_TRUE(until([&] { return kind("services").watch_errors.contains(0); }));
  EXPECT_THAT(endpoints("web"), ElementsAre("10.244.0.5", "10.244.0.6"));
  cluster_.put(kSlices, "default/web-1", slice("web", {"10.244.0.9"}));
  cluster_.put(kServices, "default/new", service("10.96.0.21"));
  // What was open at the time is told in the first list after: watches from old versions expire.
  cluster_.instead = [&](const std::shared_ptr<Exchange>& exchange) {
    if (exchange->query.contains("sendInitialEvents")) return false;
    exchange->reply(410, "{}");
    return true;
  };
  api_.listen();
  ASSERT_TRUE(until([&] { return endpoints("web") == std::vector<std::string>{"10.244.0.9"} &&
                                 store_.service({"default", "new"}) != nullptr; }));
}

TEST_F(KubernetesSourceTest, RetryAfterIsHonoured) {
  std::vector<std::chrono::steady_clock::time_point> asked;
  cluster_.instead = [&](const std::shared_ptr<Exchange>& exchange) {
    if (exchange->path != kServices) return false;
    asked.push_back(std::chrono::steady_clock::now());
    if (asked.size() > 1) return false;
    exchange->reply(429, "{}", {{"Retry-After", "1"}});
    return true;
  };
  ASSERT_TRUE(sync());
  ASSERT_EQ(asked.size(), 2U);
  EXPECT_GE(asked[1] - asked[0], std::chrono::milliseconds(990));
  EXPECT_EQ(kind("services").list_errors.at(429), 1U);
}

TEST_F(KubernetesSourceTest, ErrorsOfTheServerAreTriedAgain) {
  unsigned failures = 0;
  cluster_.instead = [&](const std::shared_ptr<Exchange>& exchange) {
    if (exchange->path != kSlices || failures == 4) return false;
    ++failures;
    exchange->reply(500, "no json");
    return true;
  };
  ASSERT_TRUE(sync());
  EXPECT_EQ(kind("endpointslices").list_errors.at(500), 4U);
}

TEST_F(KubernetesSourceTest, ATokenThatWasRotatedIsReadAgain) {
  options_.api.token_file = write("token", "old\n");
  std::string good = "Bearer old";
  unsigned refused = 0;
  cluster_.instead = [&](const std::shared_ptr<Exchange>& exchange) {
    if (exchange->headers["authorization"] == good) return false;
    ++refused;
    exchange->reply(401, R"({"kind":"Status","code":401,"message":"Unauthorized"})");
    return true;
  };
  options_.lease = std::chrono::seconds(1);
  ASSERT_TRUE(sync());
  EXPECT_EQ(refused, 0U);
  good = "Bearer new";
  ASSERT_TRUE(until([&] { return refused >= 3; }));
  write("token", "new\n");
  cluster_.put(kServices, "default/new", service("10.96.0.21"));
  const unsigned before = cluster_.watches[kServices];
  ASSERT_TRUE(until([&] { return kind("services").watching && cluster_.watches[kServices] > before; }));
  cluster_.update(kServices, "default/new", service("10.96.0.22"));
  ASSERT_TRUE(until([&] { return store_.service({"default", "new"}) != nullptr; }));
}

TEST_F(KubernetesSourceTest, HalfADocumentIsNotTakenAndTheWatchGoesOn) {
  ASSERT_TRUE(sync());
  ASSERT_TRUE(until([&] { return kind("services").watching; }));
  cluster_.tell(kServices, R"({"type":"ADDED","object":{"metadata":{"name":"half","namespa)");
  // The connection breaks there.
  api_.shut();
  api_.listen();
  ASSERT_TRUE(until([&] { return cluster_.watches[kServices] >= 1 && kind("services").watching; }));
  EXPECT_EQ(store_.service({"default", "half"}), nullptr);
  cluster_.update(kServices, "default/whole", service("10.96.0.23"));
  ASSERT_TRUE(until([&] { return store_.service({"default", "whole"}) != nullptr; }));
}

TEST_F(KubernetesSourceTest, UnknownFieldsTypesAndBadNamesDoNoHarm) {
  cluster_.put(kServices, "default/Bad_Name", service("10.96.0.30"));
  cluster_.put(kServices, "default/odd",
               R"({"spec":{"clusterIP":"10.96.0.31","new":{"deep":[1,{"a":null}]},"ports":[{"port":80,"what":true}]},"more":[[]]})");
  ASSERT_TRUE(sync());
  EXPECT_EQ(store_.service_count(), 2U);
  EXPECT_EQ(kind("services").unreadable, 1U);
  ASSERT_NE(store_.service({"default", "odd"}), nullptr);
  EXPECT_EQ(store_.service({"default", "odd"})->cluster_ips.at(0).to_string(), "10.96.0.31");
  ASSERT_TRUE(until([&] { return kind("services").watching; }));
  cluster_.tell(kServices, R"({"type":"SOMETHING","object":{"metadata":{"resourceVersion":"7"}}})" "\n");
  cluster_.update(kServices, "default/new", service("10.96.0.21"));
  ASSERT_TRUE(until([&] { return store_.service({"default", "new"}) != nullptr; }));
  EXPECT_EQ(cluster_.lists[kServices], 1U);
}

TEST_F(KubernetesSourceTest, TheNextOfSeveralServersIsTried) {
  const std::uint16_t dead = [&] {
    ScriptedApi gone(io_);
    return gone.port();
  }();
  options_.api.servers.insert(options_.api.servers.begin(), {"127.0.0.1", dead, false, ""});
  ASSERT_TRUE(sync());
  EXPECT_EQ(store_.service_count(), 1U);
}

TEST_F(KubernetesSourceTest, PodsThatAreEndingAreGone) {
  options_.pods = true;
  cluster_.put(kPods, "default/a", R"({"status":{"podIPs":[{"ip":"10.244.0.5"}]}})");
  ASSERT_TRUE(sync());
  ASSERT_NE(store_.pod({"default", "a"}), nullptr);
  ASSERT_TRUE(until([&] { return kind("pods").watching; }));
  cluster_.update(kPods, "default/a",
                  R"({"metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z"},"status":{"podIPs":[{"ip":"10.244.0.5"}]}})");
  ASSERT_TRUE(until([&] { return store_.pod({"default", "a"}) == nullptr; }));
}

constexpr const char* kImportedDb =
    R"({"spec":{"type":"Headless","ports":[{"name":"sql","protocol":"TCP","port":5432}]}})";

std::string import_slice(const std::string& address) {
  return R"({"metadata":{"labels":{"multicluster.kubernetes.io/service-name":"db",)"
         R"("multicluster.kubernetes.io/source-cluster":"east"}},"addressType":"IPv4","ports":[],)"
         R"("endpoints":[{"addresses":[")" + address + R"("],"hostname":"db-0","conditions":{}}]})";
}

TEST_F(KubernetesSourceTest, ImportsOfOtherClustersAreKeptApart) {
  options_.multicluster = true;
  cluster_.put(kImports, "default/db", kImportedDb);
  cluster_.put(kImports, "default/web", R"({"spec":{"type":"ClusterSetIP","ips":["10.112.0.7"],"ports":[]}})");
  cluster_.put(kSlices, "default/imported-db", import_slice("10.113.0.1"));
  ASSERT_TRUE(sync());
  EXPECT_EQ(store_.service({"default", "db"}), nullptr);
  EXPECT_EQ(store_.service({"default", "web"})->cluster_ips.at(0).to_string(), "10.96.0.20");
  ASSERT_NE(imports_.service({"default", "db"}), nullptr);
  EXPECT_TRUE(imports_.service({"default", "db"})->headless);
  EXPECT_EQ(imports_.service({"default", "web"})->cluster_ips.at(0).to_string(), "10.112.0.7");
  EXPECT_NE(imports_.find_namespace("default"), nullptr);
  const auto slices = imports_.slices({"default", "db"});
  ASSERT_EQ(slices.size(), 1u);
  EXPECT_EQ(slices[0]->endpoints.front().detail->cluster, "east");
  EXPECT_EQ(slices[0]->endpoints.front().detail->hostname, "db-0");
  // And they follow changes.
  cluster_.update(kSlices, "default/imported-db", import_slice("10.113.0.2"));
  ASSERT_TRUE(until([&] {
    const auto now = imports_.slices({"default", "db"});
    return now.size() == 1 && now[0]->endpoints.front().address.to_string() == "10.113.0.2";
  }));
  cluster_.erase(kImports, "default/db");
  ASSERT_TRUE(until([&] { return imports_.service({"default", "db"}) == nullptr; }));
}

TEST_F(KubernetesSourceTest, WithoutTheRightToReadImportsTheRestIsServed) {
  options_.multicluster = true;
  cluster_.instead = [&](const std::shared_ptr<Exchange>& exchange) {
    if (exchange->path != kImports) return false;
    exchange->reply(403, R"({"kind":"Status","code":403,"reason":"Forbidden","message":"no"})");
    return true;
  };
  ASSERT_TRUE(sync());
  EXPECT_NE(store_.service({"default", "web"}), nullptr);
}

TEST_F(KubernetesSourceTest, WhoWeAreComesFromAPlugin) {
  const std::string plugin = write("plugin", "#!/bin/sh\necho '{\"kind\":\"ExecCredential\",\"status\":{\"token\":\"secret-'$WHO'\"}}'\n");
  ::chmod(plugin.c_str(), 0700);
  options_.api.exec = ExecPlugin{plugin, {}, {{"WHO", "me"}}, "client.authentication.k8s.io/v1", "", false};
  std::string seen;
  cluster_.instead = [&](const std::shared_ptr<Exchange>& exchange) {
    seen = exchange->headers["authorization"];
    return false;
  };
  ASSERT_TRUE(sync());
  EXPECT_EQ(seen, "Bearer secret-me");
}

TEST_F(KubernetesSourceTest, AListOf50MegabytesPassesThroughLittleMemory) {
  cluster_.streams_lists = false;
  cluster_.instead = [&](const std::shared_ptr<Exchange>& exchange) {
    if (exchange->path != kServices || exchange->query.contains("watch")) return false;
    const std::string filler(50'000, 'x');
    exchange->begin();
    exchange->chunk(R"({"kind":"ServiceList","items":[)");
    for (int i = 0; i < 1000; ++i) {
      exchange->chunk((i == 0 ? "" : ",") + (R"({"metadata":{"name":"s)" + std::to_string(i)) +
                      R"(","namespace":"default","annotations":{"filler":")" + filler +
                      R"("}},"spec":{"clusterIP":"10.97.0.1"}})");
    }
    exchange->chunk(R"(],"metadata":{"resourceVersion":"5"}})");
    exchange->finish();
    return true;
  };
  ASSERT_TRUE(sync());
  EXPECT_EQ(store_.service_count(), 1000U);
  EXPECT_EQ(kind("services").resource_version, "5");
}

TEST_F(KubernetesSourceTest, ASnapshotServesWhileTheServerIsAway) {
  options_.snapshot = folder_ / "state";
  ASSERT_TRUE(sync());
  source_->stop();
  api_.shut();

  Store later;
  {
    KubernetesSource again(options_, later, nullptr, logger_);
    ASSERT_TRUE(again.load_snapshot());
    EXPECT_TRUE(again.status().from_snapshot);
    EXPECT_FALSE(again.synced());
    EXPECT_EQ(later.service_count(), 1U);
    EXPECT_EQ(later.endpoint_count(), 2U);
    // What happened meanwhile is a difference to it.
    api_.listen();
    cluster_.remove(kServices, "default/web");
    cluster_.put(kServices, "default/new", service("10.96.0.21"));
    again.start(io_, [] {});
    ASSERT_TRUE(until([&] { return again.synced(); }));
    EXPECT_EQ(later.service({"default", "web"}), nullptr);
    EXPECT_NE(later.service({"default", "new"}), nullptr);
    EXPECT_EQ(later.endpoint_count(), 2U);
  }
}

TEST_F(KubernetesSourceTest, ASnapshotHoldsImports) {
  options_.snapshot = folder_ / "state";
  options_.multicluster = true;
  cluster_.put(kImports, "default/db", kImportedDb);
  cluster_.put(kSlices, "default/imported-db", import_slice("10.113.0.1"));
  ASSERT_TRUE(sync());
  source_->stop();

  Store later, imports;
  KubernetesSource again(options_, later, &imports, logger_);
  ASSERT_TRUE(again.load_snapshot());
  EXPECT_EQ(later.service_count(), 1U);
  EXPECT_NE(imports.find_namespace("default"), nullptr);
  ASSERT_NE(imports.service({"default", "db"}), nullptr);
  EXPECT_TRUE(imports.service({"default", "db"})->headless);
  const auto slices = imports.slices({"default", "db"});
  ASSERT_EQ(slices.size(), 1U);
  EXPECT_EQ(slices[0]->endpoints.front().detail->cluster, "east");

  // Meanwhile the cluster has left its set: nothing of it stays.
  cluster_.instead = [&](const std::shared_ptr<Exchange>& exchange) {
    if (exchange->path != kImports) return false;
    exchange->reply(404, "404 page not found");
    return true;
  };
  cluster_.erase(kSlices, "default/imported-db");
  again.start(io_, [] {});
  ASSERT_TRUE(until([&] { return again.synced(); }));
  EXPECT_EQ(imports.service({"default", "db"}), nullptr);
  EXPECT_EQ(later.service_count(), 1U);
  // And what is asked for without them is another state.
  options_.multicluster = false;
  KubernetesSource without(options_, later, nullptr, logger_);
  EXPECT_FALSE(without.load_snapshot());
}

TEST_F(KubernetesSourceTest, ABadSnapshotIsIgnored) {
  options_.snapshot = folder_ / "state";
  ASSERT_TRUE(sync());
  source_->stop();
  const std::string good = *read_snapshot_file(options_.snapshot);
  const auto refused = [&](const std::string& content) {
    write("state", content);
    Store store;
    KubernetesSource source(options_, store, nullptr, logger_);
    return !source.load_snapshot() && store.service_count() == 0;
  };
  EXPECT_FALSE(refused(good));
  EXPECT_TRUE(refused(""));
  EXPECT_TRUE(refused("something else"));
  for (std::size_t size = 0; size < good.size(); size += 7) {
    EXPECT_TRUE(refused(good.substr(0, size))) << size;
  }
  for (std::size_t i = 0; i < good.size(); i += 5) {
    std::string bent = good;
    bent[i] = static_cast<char>(bent[i] ^ 0x10);
    EXPECT_TRUE(refused(bent)) << i;
  }
  options_.labels = "app=other";
  EXPECT_TRUE(refused(good));
}

TEST_F(KubernetesSourceTest, OverTlsWithOurCertificateAuthority) {
  const testing::Identity identity = testing::make_identity(-1, 1);
  ScriptedApi secure(io_, &identity);
  secure.handler = api_.handler;
  options_.api.servers = {{"127.0.0.1", secure.port(), true, ""}};
  options_.api.ca_data = identity.certificate;
  ASSERT_TRUE(sync());
  EXPECT_EQ(store_.service_count(), 1U);
}

TEST_F(KubernetesSourceTest, AnExpiredCertificateIsRefusedUntilItIsReplaced) {
  const testing::Identity expired = testing::make_identity(-3, -1);
  ScriptedApi secure(io_, &expired);
  secure.handler = api_.handler;
  options_.api.servers = {{"127.0.0.1", secure.port(), true, ""}};
  options_.api.ca_data = expired.certificate;
  start();
  ASSERT_TRUE(until([&] {
    return kind("services").list_errors.contains(0) && kind("services").list_errors.at(0) >= 2;
  }));
  EXPECT_FALSE(source_->synced());
  EXPECT_EQ(cluster_.lists[kServices], 0U);
}

TEST_F(KubernetesSourceTest, ACertificateForAnotherNameIsRefused) {
  const testing::Identity identity = testing::make_identity(-1, 1);
  ScriptedApi secure(io_, &identity);
  secure.handler = api_.handler;
  options_.api.servers = {{"127.0.0.1", secure.port(), true, ""}};
  options_.api.ca_data = identity.certificate;
  options_.api.tls_server_name = "elsewhere";
  start();
  ASSERT_TRUE(until([&] { return kind("services").list_errors.contains(0); }));
  source_.reset();
  options_.api.tls_server_name = "kubernetes";
  ASSERT_TRUE(sync());
}

}  // namespace
}  // namespace clusterdns::registry::kubernetes
