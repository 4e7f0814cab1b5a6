#include "registry/kubernetes/kubernetes_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <atomic>
#include <cerrno>
#include <cmath>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <set>
#include <sstream>

#include "registry/kubernetes/snapshot.h"
#include "tests/unit/registry/kubernetes/source_fixture.h"

namespace clusterdns::registry::kubernetes {
namespace {

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
  ASSERT_TRUE(until([&] { return held && kind("services").synced && kind("namespaces").synced; }));
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
    cluster_.put(kServices, "default/s" + std::to_string(i),
                 service("10.96.1." + std::to_string(i + 1)));
  }
  ASSERT_TRUE(sync());
  EXPECT_EQ(store_.service_count(), 6U);
  // One attempt at a stream, then three pages.
  EXPECT_EQ(cluster_.lists[kServices], 4U);
  ASSERT_TRUE(until([&] { return kind("services").watching; }));
  cluster_.erase(kServices, "default/s3");
  ASSERT_TRUE(until([&] { return store_.service({"default", "s3"}) == nullptr; }));
}

std::string services_page(int count) {
  std::string items;
  for (int i = 0; i < count; ++i) {
    const std::string text = service("10.96.2." + std::to_string(i + 1));
    items += (i == 0 ? "" : ",") +
             (R"({"metadata":{"namespace":"default","name":"s)" + std::to_string(i) +
              R"(","resourceVersion":"50"},)" + text.substr(1));
  }
  return R"({"kind":"ServiceList","apiVersion":"v1","metadata":{"resourceVersion":"60"},"items":[)" +
         items + "]}";
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
    exchange->send(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n"
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
    timers.push_back(
        std::make_shared<boost::asio::steady_timer>(io_, std::chrono::milliseconds(100)));
    timers.back()->async_wait(
        [exchange, rest = body.substr(body.size() / 2)](const boost::system::error_code&) {
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
  ASSERT_TRUE(until([&] {
    return store_.service({"default", "web"}) == nullptr && endpoints("web").empty();
  }));
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
  cluster_.tell(kServices,
                R"({"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}})"
                "\n");
  ASSERT_TRUE(until([&] {
    return store_.service({"default", "new"}) != nullptr &&
           store_.service({"default", "web"}) == nullptr;
  }));
  EXPECT_EQ(kind("services").repairs_added, 1U);
  EXPECT_EQ(kind("services").repairs_removed, 1U);
  EXPECT_EQ(kind("services").repairs_changed, 0U);
  EXPECT_EQ(cluster_.lists[kServices], 2U);
  ASSERT_TRUE(until([&] { return commits.count == 1; }));
}

TEST_F(KubernetesSourceTest, VersionsThatAreForgottenAtOnceAreNotAskedForAtOnce) {
  ASSERT_TRUE(sync());
  ASSERT_TRUE(until([&] { return kind("services").watching; }));
  cluster_.streams_lists = false;
  unsigned watches = 0;
  cluster_.instead = [&](const std::shared_ptr<Exchange>& exchange) {
    if (exchange->path != kServices || !exchange->query.contains("watch")) return false;
    ++watches;
    exchange->begin();
    exchange->chunk(R"({"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}})"
                    "\n");
    exchange->finish();
    return true;
  };
  const auto began = std::chrono::steady_clock::now();
  cluster_.tell(kServices,
                R"({"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}})"
                "\n");
  ASSERT_TRUE(until([&] { return watches == 4; }));
  // 0, 250 and 500 ms between them, less what the spread takes.
  EXPECT_GE(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(700));
  EXPECT_EQ(lines("versions expire at once").size(), 1U);
  cluster_.instead = nullptr;
  cluster_.put(kServices, "default/new", service("10.96.0.21"));
  ASSERT_TRUE(until([&] { return store_.service({"default", "new"}) != nullptr; }));
}

// A list that is answered with `body` is told as `said`, and what was known stays.
class OddLists : public KubernetesSourceTest {
 protected:
  void keeps_what_is_known(const std::string& body, const std::string& said) {
    cluster_.streams_lists = false;
    ASSERT_TRUE(sync());
    ASSERT_TRUE(until([&] { return kind("services").watching; }));
    bool answered = false;
    cluster_.instead = [&](const std::shared_ptr<Exchange>& exchange) {
      if (exchange->path != kServices || exchange->query.contains("watch")) return false;
      answered = true;
      exchange->reply(200, "{" + body + R"(,"metadata":{"resourceVersion":"900"}})");
      return true;
    };
    cluster_.tell(kServices, R"({"type":"ERROR","object":{"kind":"Status","code":410}})"
                             "\n");
    ASSERT_TRUE(until([&] { return answered && !lines(said).empty(); })) << log_.str();
    EXPECT_NE(store_.service({"default", "web"}), nullptr);
    EXPECT_EQ(store_.service_count(), 1U);
    cluster_.instead = nullptr;
    cluster_.put(kServices, "default/new", service("10.96.0.21"));
    ASSERT_TRUE(until([&] { return store_.service({"default", "new"}) != nullptr; })) << log_.str();
  }
};

TEST_F(OddLists, ItemsThatAreAnObject) {
  keeps_what_is_known(R"("items":{})", "its items are not a list");
}
TEST_F(OddLists, ItemsThatAreAText) {
  keeps_what_is_known(R"("items":"no")", "its items are not a list");
}
TEST_F(OddLists, OfAnotherKindAndEmpty) {
  keeps_what_is_known(R"("kind":"PodList","items":[])",
                      "it answered with a 'PodList', not with a ServiceList");
}
TEST_F(OddLists, OfAnotherKind) {
  keeps_what_is_known(
      R"("kind":"PodList","items":[{"metadata":{"name":"pod","namespace":"default"}}])",
      "it answered with a 'PodList', not with a ServiceList");
}

TEST_F(KubernetesSourceTest, EventsOfAnotherKindOrThatCannotBeDecodedChangeNothing) {
  ASSERT_TRUE(sync());
  ASSERT_TRUE(until([&] { return kind("services").watching; }));
  const std::string meta =
      R"("metadata":{"name":"web","namespace":"default","resourceVersion":"900"})";
  for (const std::string& event :
       {R"({"type":"DELETED","object":{"kind":"Pod",)" + meta + "}}",
        R"({"type":"MODIFIED","object":{"kind":"Pod",)" + meta + "}}",
        R"({"type":"MODIFIED","object":{"kind":"Service",)" + meta + R"(,"spec":"none"}})",
        R"({"type":"MODIFIED","object":{)" + meta + R"(,"spec":{"ports":{}}}})"}) {
    cluster_.tell(kServices, event + "\n");
  }
  cluster_.update(kServices, "default/new", service("10.96.0.21"));
  ASSERT_TRUE(until([&] { return store_.service({"default", "new"}) != nullptr; }));
  const auto web = store_.service({"default", "web"});
  ASSERT_NE(web, nullptr);
  EXPECT_FALSE(web->cluster_ips.empty());
  EXPECT_EQ(lines("services: 'default/web': left out: it is a 'Pod', not a Service").size(), 1U);
  EXPECT_EQ(
      lines("services: 'default/web': left out: spec is of a type that it cannot have").size(), 1U);
  EXPECT_EQ(lines("left out: spec.ports is of a type that it cannot have").size(), 1U);
  EXPECT_EQ(cluster_.lists[kServices], 1U);
}

TEST_F(KubernetesSourceTest, AnErrorWithoutAMessageIsToldByItsCode) {
  ASSERT_TRUE(sync());
  ASSERT_TRUE(until([&] { return kind("services").watching; }));
  cluster_.tell(kServices,
                R"({"type":"ERROR","object":{"kind":"Status","code":500,"reason":"InternalError"}})"
                "\n");
  ASSERT_TRUE(until([&] {
    return !lines(" services: an error without a message (code 500, reason 'InternalError')")
                .empty();
  })) << log_.str();
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
  ASSERT_TRUE(until([&] {
    return endpoints("web") == std::vector<std::string>{"10.244.0.9"} &&
           store_.service({"default", "new"}) != nullptr;
  }));
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
  use_tls();
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
  ASSERT_TRUE(
      until([&] { return kind("services").watching && cluster_.watches[kServices] > before; }));
  cluster_.update(kServices, "default/new", service("10.96.0.22"));
  ASSERT_TRUE(until([&] { return store_.service({"default", "new"}) != nullptr; }));
}

TEST_F(KubernetesSourceTest, ATokenFileWithAByteOrderMark) {
  use_tls();
  options_.api.token_file = write("token", "\xEF\xBB\xBFgood\r\n");
  std::set<std::string> told;
  cluster_.instead = [&](const std::shared_ptr<Exchange>& exchange) {
    told.insert(exchange->headers["authorization"]);
    return false;
  };
  ASSERT_TRUE(sync());
  EXPECT_EQ(told, std::set<std::string>{"Bearer good"});
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
  cluster_.put(
      kServices, "default/odd",
      R"({"spec":{"clusterIP":"10.96.0.31","new":{"deep":[1,{"a":null}]},"ports":[{"port":80,"what":true}]},"more":[[]]})");
  ASSERT_TRUE(sync());
  EXPECT_EQ(store_.service_count(), 2U);
  EXPECT_EQ(kind("services").unreadable, 1U);
  ASSERT_NE(store_.service({"default", "odd"}), nullptr);
  EXPECT_EQ(store_.service({"default", "odd"})->cluster_ips.at(0).to_string(), "10.96.0.31");
  ASSERT_TRUE(until([&] { return kind("services").watching; }));
  cluster_.tell(kServices, R"({"type":"SOMETHING","object":{"metadata":{"resourceVersion":"7"}}})"
                           "\n");
  cluster_.update(kServices, "default/new", service("10.96.0.21"));
  ASSERT_TRUE(until([&] { return store_.service({"default", "new"}) != nullptr; }));
  EXPECT_EQ(cluster_.lists[kServices], 1U);
}

// Whatever a list has beside them, good objects are served; what is left out is told once each.
TEST_F(KubernetesSourceTest, OneBadObjectCostsItselfAlone) {
  const std::vector<std::string> odd = {
      "null",
      "12",
      R"("text")",
      "[]",
      "{}",
      R"({"metadata":null})",
      R"({"metadata":{"namespace":"default"}})",
      R"({"spec":{"clusterIP":"10.96.0.9"}})",
      R"({"metadata":{"name":"","namespace":"default"}})",
      R"({"metadata":{"name":["web"],"namespace":"default"}})",
      R"({"metadata":{"name":"a\u0000b","namespace":"default"}})",
      R"({"metadata":{"name":"a\nb","namespace":"default"}})",
      "{\"metadata\":{\"name\":\"deep\",\"namespace\":\"default\"},\"x\":" +
          std::string(5000, '[') + std::string(5000, ']') + "}"};
  cluster_.put(kPods, "default/p", R"({"status":{"podIPs":[{"ip":"10.0.0.77"}]}})");
  for (const char* path : {kServices, kSlices, kNamespaces, kPods}) cluster_.odd[path] = odd;
  options_.pods = true;
  for (const bool streams : {true, false}) {
    source_.reset();
    log_.str("");
    cluster_.streams_lists = streams;
    cluster_.lists.clear();
    ASSERT_TRUE(sync());
    EXPECT_EQ(store_.service_count(), 1U);
    EXPECT_THAT(endpoints("web"), ElementsAre("10.244.0.5", "10.244.0.6"));
    EXPECT_NE(store_.find<Pod>({"default", "p"}), nullptr);
    std::size_t namespaces = 0;
    store_.for_each<Namespace>([&](const Namespace&) { ++namespaces; });
    EXPECT_EQ(namespaces, 1U);
    EXPECT_EQ(kind("services").unreadable, odd.size());
    EXPECT_EQ(cluster_.lists[kServices], streams ? 1U : 2U);  // it is not begun anew for them
    EXPECT_EQ(lines("services: an object without a name: left out: it has no metadata.name").size(),
              1U);
    EXPECT_EQ(lines("services: an object without a name: left out: it is not a JSON "
                    "object")
                  .size(),
              1U);
    EXPECT_EQ(lines("services: 'default/a\\x00b': left out: the name 'a\\x00b' is not").size(), 1U);
    ASSERT_TRUE(until([&] { return kind("services").watching; }));
  }
}

TEST_F(KubernetesSourceTest, OneBadEventCostsItselfAlone) {
  ASSERT_TRUE(sync());
  ASSERT_TRUE(until([&] { return kind("services").watching; }));
  const std::string version = kind("services").resource_version;
  for (const char* event :
       {R"({"type":"ADDED"})", R"({"type":"MODIFIED","object":null})",
        R"({"type":"DELETED","object":{}})", R"({"type":"BOOKMARK"})",
        R"({"type":"BOOKMARK","object":{}})",
        R"({"type":"BOOKMARK","object":{"metadata":{"resourceVersion":7}}})", R"({"object":{}})",
        "{}", R"({"type":"ADDED","object":{"metadata":{"namespace":"default"}}})",
        R"({"type":"DELETED","object":{"metadata":{"name":"web"}}})",
        R"({"type":"MODIFIED","object":[1,2]})"}) {
    cluster_.tell(kServices, std::string(event) + "\n");
  }
  // In one watch with the others, and behind them.
  cluster_.tell(kServices,
                R"({"type":"ADDED","object":{"metadata":{"name":"new","namespace":"default"},)"
                R"("spec":{"clusterIP":"10.96.0.21"}}})"
                "\n");
  ASSERT_TRUE(until([&] { return store_.service({"default", "new"}) != nullptr; }));
  EXPECT_NE(store_.service({"default", "web"}), nullptr);
  EXPECT_EQ(cluster_.lists[kServices], 1U);
  EXPECT_EQ(cluster_.watches[kServices], 0U);
  // None of them had a version to go on from.
  EXPECT_EQ(kind("services").resource_version, version);
}

// What cannot be read any more is there all the same: a list keeps what was known, as an event
// does.
TEST_F(KubernetesSourceTest, AnObjectThatTurnsBadKeepsItsLastGoodVersion) {
  cluster_.put(kServices, "default/gone", service("10.96.0.22"));
  ASSERT_TRUE(sync());
  ASSERT_TRUE(until([&] { return kind("endpointslices").watching; }));
  const std::string bad = R"({"metadata":{"labels":{"kubernetes.io/service-name":"Not A Label"}}})";
  cluster_.update(kSlices, "default/web-1", bad);
  ASSERT_TRUE(until([&] { return kind("endpointslices").unreadable == 1; }));
  EXPECT_THAT(endpoints("web"), ElementsAre("10.244.0.5", "10.244.0.6"));
  // Listed anew.
  cluster_.remove(kServices, "default/gone");
  cluster_.tell(kSlices, R"({"type":"ERROR","object":{"code":410}})"
                         "\n");
  cluster_.tell(kServices, R"({"type":"ERROR","object":{"code":410}})"
                           "\n");
  ASSERT_TRUE(until([&] { return store_.service({"default", "gone"}) == nullptr; }));
  ASSERT_TRUE(until([&] { return kind("endpointslices").lists == 2; }));
  EXPECT_THAT(endpoints("web"), ElementsAre("10.244.0.5", "10.244.0.6"));
}

TEST_F(KubernetesSourceTest, AListsEndWithoutAVersionIsAskedForInPages) {
  cluster_.instead = [&](const std::shared_ptr<Exchange>& exchange) {
    if (exchange->path != kServices || !exchange->query.contains("sendInitialEvents")) return false;
    exchange->begin();
    exchange->chunk(
        R"({"type":"BOOKMARK","object":{"metadata":{"annotations":{"k8s.io/initial-events-end":"true"}}}})"
        "\n");
    return true;
  };
  ASSERT_TRUE(sync());
  EXPECT_NE(store_.service({"default", "web"}), nullptr);
  ASSERT_TRUE(until([&] { return kind("services").watching; }));
}

TEST_F(KubernetesSourceTest, ComplaintsAboutObjectsEnd) {
  for (int i = 0; i < 300; ++i) cluster_.put(kServices, "default/Bad_" + std::to_string(i), "{}");
  ASSERT_TRUE(sync());
  EXPECT_EQ(kind("services").unreadable, 300U);
  EXPECT_EQ(lines("left out: the name").size(), 50U);
  EXPECT_EQ(lines("more objects are wrong").size(), 1U);
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
  ASSERT_NE(store_.find<Pod>({"default", "a"}), nullptr);
  ASSERT_TRUE(until([&] { return kind("pods").watching; }));
  cluster_.update(
      kPods, "default/a",
      R"({"metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z"},"status":{"podIPs":[{"ip":"10.244.0.5"}]}})");
  ASSERT_TRUE(until([&] { return store_.find<Pod>({"default", "a"}) == nullptr; }));
}

constexpr const char* kImportedDb =
    R"({"spec":{"type":"Headless","ports":[{"name":"sql","protocol":"TCP","port":5432}]}})";

std::string import_slice(const std::string& address) {
  return R"({"metadata":{"labels":{"multicluster.kubernetes.io/service-name":"db",)"
         R"("multicluster.kubernetes.io/source-cluster":"east"}},"addressType":"IPv4","ports":[],)"
         R"("endpoints":[{"addresses":[")" +
         address + R"("],"hostname":"db-0","conditions":{}}]})";
}

TEST_F(KubernetesSourceTest, ImportsOfOtherClustersAreKeptApart) {
  options_.multicluster = true;
  cluster_.put(kImports, "default/db", kImportedDb);
  cluster_.put(kImports, "default/web",
               R"({"spec":{"type":"ClusterSetIP","ips":["10.112.0.7"],"ports":[]}})");
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
  use_tls();
  const std::string plugin = write(
      "plugin",
      "#!/bin/sh\necho '{\"kind\":\"ExecCredential\",\"status\":{\"token\":\"secret-'$WHO'\"}}'\n");
  ::chmod(plugin.c_str(), 0700);
  options_.api.exec =
      ExecPlugin{plugin, {}, {{"WHO", "me"}}, "client.authentication.k8s.io/v1", "", false};
  std::string seen;
  cluster_.instead = [&](const std::shared_ptr<Exchange>& exchange) {
    seen = exchange->headers["authorization"];
    return false;
  };
  ASSERT_TRUE(sync());
  EXPECT_EQ(seen, "Bearer secret-me");
}

// Whatever says who we are, and wherever it comes from: nothing of it leaves without TLS.
TEST_F(KubernetesSourceTest, NobodyIsToldWhoWeAreWithoutTls) {
  options_.api.token = "S3CRET";
  options_.api.token_file = write("token", "S3CRET");
  options_.api.username = "S3CRET";
  const std::string ran = (folder_ / "ran").string();
  const std::string plugin = write("plugin", "#!/bin/sh\ntouch " + ran + "\n");
  ::chmod(plugin.c_str(), 0700);
  options_.api.exec = ExecPlugin{plugin, {}, {}, "client.authentication.k8s.io/v1", "", false};
  std::size_t told = 0;
  cluster_.instead = [&](const std::shared_ptr<Exchange>& exchange) {
    for (const auto& [name, value] : exchange->headers) {
      told += name == "authorization" || value.find("S3CRET") != std::string::npos ? 1 : 0;
    }
    return false;
  };
  ASSERT_TRUE(sync());
  EXPECT_EQ(told, 0U);
  EXPECT_FALSE(std::filesystem::exists(ran));
}

TEST_F(KubernetesSourceTest, ARedirectionIsNotFollowed) {
  use_tls();
  options_.api.token = "S3CRET";
  const std::size_t plain = api_.connections();
  unsigned redirected = 0;
  cluster_.instead = [&](const std::shared_ptr<Exchange>& exchange) {
    if (redirected == 3) return false;
    ++redirected;
    exchange->reply(302, "",
                    {{"Location", "http://127.0.0.1:" + std::to_string(api_.port()) + "/"}});
    return true;
  };
  ASSERT_TRUE(sync());
  EXPECT_EQ(api_.connections(), plain);
}

TEST_F(KubernetesSourceTest, ATokenThatEndsALineIsNotSent) {
  use_tls();
  options_.api.token = "a\r\nX-Remote-User: admin";
  start();
  ASSERT_TRUE(until([&] { return kind("services").list_errors.contains(0); }));
  EXPECT_TRUE(cluster_.lists.empty());
}

// One whose credential has expired already must not be asked at every step.
TEST_F(KubernetesSourceTest, APluginThatDoesNotHelpIsNotAskedAgainAtOnce) {
  use_tls();
  const std::string runs = (folder_ / "runs").string();
  const std::string plugin =
      write("plugin", "#!/bin/sh\necho >> " + runs +
                          "\necho "
                          "'{\"kind\":\"ExecCredential\",\"status\":{\"token\":\"T\","
                          "\"expirationTimestamp\":\"2001-01-01T00:00:00Z\"}}'\n");
  ::chmod(plugin.c_str(), 0700);
  options_.api.exec = ExecPlugin{plugin, {}, {}, "client.authentication.k8s.io/v1", "", false};
  unsigned refused = 0;
  cluster_.instead = [&](const std::shared_ptr<Exchange>& exchange) {
    if (refused == 8) return false;
    ++refused;
    exchange->reply(401, "{}");
    return true;
  };
  const auto began = std::chrono::steady_clock::now();
  ASSERT_TRUE(sync());
  // Once at the start, and not sooner than after one second, two, four...
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  EXPECT_LE(static_cast<double>(std::filesystem::file_size(runs)), 1 + std::log2(1 + took.count()));
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
  const std::string good = *read_regular_file(options_.snapshot, kMaxSnapshotSize);
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

TEST_F(KubernetesSourceTest, ASnapshotIsForUsAloneAndFollowsNoLink) {
  const std::string precious = write("precious", "precious");
  std::filesystem::create_symlink("precious", folder_ / "state.new");
  std::filesystem::create_symlink("precious", folder_ / "state");
  options_.snapshot = folder_ / "state";
  ASSERT_TRUE(sync());
  source_->stop();
  EXPECT_EQ(*read_regular_file(precious, 100), "precious");
  struct stat s {};
  ASSERT_EQ(::lstat(options_.snapshot.c_str(), &s), 0);
  EXPECT_TRUE(S_ISREG(s.st_mode));
  EXPECT_EQ(s.st_mode & 07777, 0600U);
}

TEST_F(KubernetesSourceTest, ASnapshotThatIsNoneIsNotWaitedFor) {
  options_.snapshot = folder_ / "state";
  ASSERT_EQ(::mkfifo(options_.snapshot.c_str(), 0600), 0);
  KubernetesSource source(options_, store_, nullptr, logger_);
  EXPECT_FALSE(source.load_snapshot());
}

// A disk that stands still: changes are shown, and the end comes in time.
TEST_F(KubernetesSourceTest, AStandingDiskHoldsNobodyUp) {
  struct Standing {
    std::mutex mutex;
    std::condition_variable changed;
    int inside = 0;
    bool moves = false;
    int wait() {
      std::unique_lock lock(mutex);
      ++inside;
      changed.notify_all();
      changed.wait(lock, [this] { return moves; });
      return 0;
    }
  };
  for (const int stage : {0, 1, 2}) {
    const auto standing = std::make_shared<Standing>();
    SourceOptions options = options_;
    options.snapshot = folder_ / ("state" + std::to_string(stage));
    options.snapshot_every = std::chrono::milliseconds(1);
    options.snapshot_patience = std::chrono::milliseconds(50);
    if (stage == 0) {
      options.disk.write = [standing](int fd, const void* data, std::size_t size) {
        standing->wait();
        return ::write(fd, data, size);
      };
    } else if (stage == 1) {
      options.disk.sync = [standing](int) { return standing->wait(); };
    } else {
      options.disk.rename = [standing](const char* from, const char* to) {
        standing->wait();
        return ::rename(from, to);
      };
    }
    Store store;
    KubernetesSource source(options, store, nullptr, logger_);
    source.start(io_, [] {});
    const auto writing = [&] {
      const std::lock_guard lock(standing->mutex);
      return standing->inside > 0;
    };
    ASSERT_TRUE(until([&] { return source.synced() && writing(); })) << stage;
    const std::string address = "10.96.1." + std::to_string(stage);
    ASSERT_TRUE(until([&] { return source.status().kinds.at("services").watching; }));
    cluster_.update(kServices, "default/changed", service(address));
    ASSERT_TRUE(until([&] {
      const Service* const found = store.service({"default", "changed"});
      return found != nullptr && found->cluster_ips.at(0).to_string() == address;
    })) << stage;
    const auto began = std::chrono::steady_clock::now();
    source.stop();
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(10)) << stage;
    // The disk moves again, long after: what was given up is not put in place.
    const std::lock_guard lock(standing->mutex);
    standing->moves = true;
    standing->changed.notify_all();
  }
}

TEST_F(KubernetesSourceTest, ADiskThatIsFullIsToldOnce) {
  options_.snapshot = folder_ / "state";
  options_.snapshot_every = std::chrono::milliseconds(1);
  auto full = std::make_shared<std::atomic<bool>>(true);
  auto writes = std::make_shared<std::atomic<int>>(0);
  options_.disk.write = [full, writes](int fd, const void* data, std::size_t size) -> ssize_t {
    ++*writes;
    if (!*full) return ::write(fd, data, size);
    errno = ENOSPC;
    return -1;
  };
  ASSERT_TRUE(sync());
  ASSERT_TRUE(until([&] { return kind("services").watching; }));
  for (int i = 1; i <= 3; ++i) {
    ASSERT_TRUE(until([&] { return *writes >= i; }));
    cluster_.update(kServices, "default/changed", service("10.96.1." + std::to_string(i)));
  }
  *full = false;
  cluster_.update(kServices, "default/changed", service("10.96.1.9"));
  ASSERT_TRUE(until([&] { return std::filesystem::exists(options_.snapshot); }));
  source_.reset();
  EXPECT_EQ(lines("the snapshot is not written").size(), 1U) << log_.str();
  EXPECT_EQ(lines("is written again").size(), 1U);
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
    EXPECT_EQ(entry.path().filename().string().find(".new"), std::string::npos) << entry.path();
  }
}

// Its checksum is right, and its counts are not: nothing of it takes memory.
TEST_F(KubernetesSourceTest, ASnapshotThatLiesAboutItsSize) {
  Store empty;
  const auto now = std::chrono::system_clock::now();
  const std::string good = encode_snapshot(empty, nullptr, "x", now);
  // Behind magic, version, time and identity come the counts: tables, services, slices, and whether
  // there are imports.
  const std::size_t counts = good.size() - 4 - 4;
  for (std::size_t at = 0; at < 4; ++at) {
    std::string bad = good.substr(0, counts + at);
    for (int i = 0; i < 8; ++i) bad.push_back('\xFF');
    bad += std::string("\x0F") + std::string(1000, '\0');
    const auto sum = ::crc32_z(0, reinterpret_cast<const Bytef*>(bad.data()), bad.size());
    for (unsigned i = 0; i < 4; ++i) bad.push_back(static_cast<char>(sum >> (8 * i)));
    EXPECT_EQ(decode_snapshot(bad, "x", {}, empty, nullptr).error(), "its content is malformed")
        << at;
  }
  EXPECT_TRUE(decode_snapshot(good, "x", {}, empty, nullptr));
}

// What an API server, or what passes for one, may fill the memory with.
TEST_F(KubernetesSourceTest, WhatGoesBeyondTheMemoryIsLeftOut) {
  options_.max_kept = 100'000;
  cluster_.instead = [&](const std::shared_ptr<Exchange>& exchange) {
    if (exchange->path != kServices || exchange->query.contains("sendInitialEvents") == false) {
      return false;
    }
    exchange->begin();
    for (int i = 0; i < 2000; ++i) {
      exchange->chunk(
          R"({"type":"ADDED","object":{"metadata":{"name":"s)" + std::to_string(i) +
          R"(","namespace":"default","resourceVersion":"1"},"spec":{"clusterIP":"10.97.0.1"}}})");
    }
    exchange->chunk(
        R"({"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"5","annotations":{"k8s.io/initial-events-end":"true"}}}})");
    return true;
  };
  ASSERT_TRUE(sync());
  EXPECT_GT(store_.service_count(), 50U);
  EXPECT_LT(store_.service_count(), 250U);
  EXPECT_EQ(kind("services").unreadable, 2000 - store_.service_count());
}

TEST_F(KubernetesSourceTest, OverTlsWithOurCertificateAuthority) {
  use_tls();
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
