// `services` shows what a server with the Corefile answers, for it asks the same tables.
#include "app/commands/services.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "tests/unit/app/folder.h"
#include "tests/unit/registry/kubernetes/scripted_api.h"

namespace clusterdns::app {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

using Strings = std::vector<std::string>;

constexpr const char* kManifests = R"(
apiVersion: v1
kind: Namespace
metadata: {name: default, labels: {team: a}}
---
apiVersion: v1
kind: Service
metadata: {name: db, labels: {tier: data}}
spec: {clusterIP: None, ports: [{name: sql, port: 5432}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: db-1, labels: {kubernetes.io/service-name: db}}
addressType: IPv4
ports: [{name: sql, port: 5432}]
endpoints: [{addresses: [10.0.0.1], hostname: one, zone: east}, {addresses: [10.0.0.2], conditions: {ready: false}}]
---
apiVersion: v1
kind: Service
metadata: {name: idle}
spec: {clusterIP: 10.96.5.5, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: staging}
spec: {clusterIP: 10.96.5.6, ports: [{port: 80}]}
)";

class Services : public ::testing::Test {
 protected:
  Services() { folder_.write("m.yaml", kManifests); }

  boost::json::array rows(const std::string& corefile) {
    ServicesOptions options;
    options.corefile = folder_.write("Corefile", corefile);
    options.format = OutputFormat::Json;
    std::ostringstream out, err;
    EXPECT_EQ(run_services(options, out, err), 0) << err.str();
    return boost::json::parse(out.str()).as_array();
  }
  // One `kubernetes` with these options.
  boost::json::array with(const std::string& options) {
    return rows(".:0 {\n kubernetes cluster.local in-addr.arpa {\n  manifests " +
                (folder_ / "m.yaml") + "\n  " + options + "\n }\n}\n");
  }
  static Strings names(const boost::json::array& rows) {
    Strings result;
    for (const auto& row : rows) {
      result.push_back(std::string(row.at("namespace").as_string()) + "/" +
                       std::string(row.at("name").as_string()));
    }
    return result;
  }
  static Strings list(const boost::json::value& row, const char* member) {
    Strings result;
    for (const auto& one : row.at(member).as_array()) result.emplace_back(one.as_string());
    return result;
  }

  Folder folder_;
};

TEST_F(Services, AllOfThem) {
  const auto all = with("ttl 5");
  EXPECT_THAT(names(all), ElementsAre("default/db", "default/idle", "staging/web"));
  EXPECT_THAT(list(all[0], "endpoints"), ElementsAre("10.0.0.1", "10.0.0.2 (not ready)"));
  EXPECT_THAT(list(all[0], "names"), ElementsAre("db.default.svc.cluster.local.",
                                                 "_sql._tcp.db.default.svc.cluster.local.",
                                                 "one.db.default.svc.cluster.local."));
}

TEST_F(Services, OptionsThatLeaveSomeOut) {
  EXPECT_THAT(names(with("namespaces default")), ElementsAre("default/db", "default/idle"));
  EXPECT_THAT(names(with("namespace_labels team=a")), ElementsAre("default/db", "default/idle"));
  EXPECT_THAT(names(with("labels tier=data")), ElementsAre("default/db"));
  EXPECT_THAT(names(with("ignore empty_service")), ElementsAre("default/db"));
  // A headless service without endpoints has no answer.
  const auto without = with("noendpoints");
  EXPECT_THAT(names(without), ElementsAre("default/idle", "staging/web"));
  for (const auto& row : without) EXPECT_THAT(list(row, "endpoints"), IsEmpty());
}

TEST_F(Services, Zonal) {
  const auto all = with("zonal");
  EXPECT_THAT(list(all[0], "names"),
              ::testing::IsSupersetOf(Strings{"east.pin._zone.db.default.svc.cluster.local.",
                                              "east.prefer._zone.db.default.svc.cluster.local."}));
}

// An API server on a thread of its own.
class ServicesOfAnApi : public ::testing::Test {
 protected:
  ServicesOfAnApi() {
    namespace k8s = registry::kubernetes::testing;
    cluster_.put(k8s::kNamespaces, "shop", "{}");
    cluster_.put(
        k8s::kServices, "shop/web",
        R"({"spec":{"clusterIP":"10.96.0.20","clusterIPs":["10.96.0.20"],"type":"ClusterIP",)"
        R"("ports":[{"name":"http","protocol":"TCP","port":80}]}})");
    cluster_.put(
        k8s::kSlices, "shop/web-1",
        R"({"metadata":{"labels":{"kubernetes.io/service-name":"web"}},"addressType":"IPv4",)"
        R"("ports":[{"name":"http","protocol":"TCP","port":8080}],)"
        R"("endpoints":[{"addresses":["10.244.0.5"],"conditions":{"ready":true}}]})");
    kubeconfig_ = folder_.write("config",
                                "apiVersion: v1\nkind: Config\ncurrent-context: a\n"
                                "contexts: [{name: a, context: {cluster: c}}]\n"
                                "clusters: [{name: c, cluster: {server: \"http://127.0.0.1:" +
                                    std::to_string(api_.port()) + "\"}}]\n");
    thread_ = std::thread([this] { io_.run(); });
  }
  ~ServicesOfAnApi() override {
    io_.stop();
    thread_.join();
  }

  int run(const std::string& kubeconfig, std::optional<std::string> ns = {}) {
    ServicesOptions options;
    options.cluster.kubeconfig = kubeconfig;
    options.cluster.forward.clear();
    options.namespace_name = std::move(ns);
    options.format = OutputFormat::Json;
    return run_services(options, out_, err_);
  }

  Folder folder_;
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{
      io_.get_executor()};
  registry::kubernetes::testing::ScriptedApi api_{io_};
  registry::kubernetes::testing::FakeCluster cluster_{io_, api_};
  std::string kubeconfig_;
  std::ostringstream out_, err_;
  std::thread thread_;
};

TEST_F(ServicesOfAnApi, AreAskedFor) {
  ASSERT_EQ(run(kubeconfig_), 0) << err_.str();
  const auto rows = boost::json::parse(out_.str()).as_array();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].at("name").as_string(), "web");
  EXPECT_EQ(rows[0].at("addresses").as_array().at(0).as_string(), "10.96.0.20");
  EXPECT_EQ(rows[0].at("endpoints").as_array().at(0).as_string(), "10.244.0.5");
  EXPECT_EQ(rows[0].at("names").as_array().at(0).as_string(), "web.shop.svc.cluster.local.");
}

TEST_F(ServicesOfAnApi, NamespacesThatThereAre) {
  EXPECT_EQ(run(kubeconfig_, "shopp"), 1);
  EXPECT_EQ(err_.str(),
            "clusterdns: services: there is no namespace 'shopp'; did you mean 'shop'?; these "
            "exist: shop\n");
}

TEST_F(ServicesOfAnApi, ThatIsNotThere) {
  const std::string gone =
      folder_.write("gone",
                    "apiVersion: v1\nkind: Config\ncurrent-context: a\n"
                    "contexts: [{name: a, context: {cluster: c}}]\n"
                    "clusters: [{name: c, cluster: {server: \"http://127.0.0.1:1\"}}]\n");
  EXPECT_EQ(run(gone), 1);
  EXPECT_THAT(err_.str(),
              ::testing::StartsWith(
                  "clusterdns: services: 127.0.0.1:1 has not told what it has: Failed to list "));
  EXPECT_THAT(err_.str(), ::testing::HasSubstr("refused"));
}

// A snapshot belongs to the server that keeps it.
TEST_F(ServicesOfAnApi, LeaveTheSnapshotAlone) {
  ServicesOptions options;
  options.corefile =
      folder_.write("Corefile", ".:0 {\n kubernetes cluster.local {\n  kubeconfig " + kubeconfig_ +
                                    "\n  snapshot " + (folder_ / "snapshot") + "\n }\n}\n");
  ASSERT_EQ(run_services(options, out_, err_), 0) << err_.str();
  EXPECT_FALSE(std::filesystem::exists(folder_ / "snapshot"));
}

TEST_F(Services, SeveralBlocksAndZones) {
  const std::string manifests = "manifests " + (folder_ / "m.yaml");
  const auto all = rows(".:0 {\n kubernetes a.test b.test {\n  " + manifests +
                        "\n  namespaces staging\n }\n}\nc.test:0 {\n kubernetes {\n  " + manifests +
                        "\n  labels tier=data\n }\n}\nd.test:0 {\n kubernetes {\n  " + manifests +
                        "\n  namespaces staging\n  ttl 9\n }\n}\n");
  ASSERT_THAT(names(all), ElementsAre("default/db", "staging/web"));
  EXPECT_THAT(list(all[1], "names"),
              UnorderedElementsAre("web.staging.svc.a.test.", "web.staging.svc.b.test.",
                                   "web.staging.svc.d.test."));
  EXPECT_THAT(list(all[0], "names"), ::testing::Contains("db.default.svc.c.test."));
}

}  // namespace
}  // namespace clusterdns::app
