// What the API answers is what its description says; and the same in pieces.
#include "app/console/api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <thread>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "app/commands/cache.h"
#include "app/commands/server_client.h"
#include "app/console/openapi.h"
#include "app/console/parameters.h"
#include "app/console/replies.h"
#include "app/corefile/parser.h"
#include "app/instance/instance.h"
#include "app/log/logging.h"
#include "tests/unit/app/folder.h"

namespace clusterdns::app {
namespace {

namespace json = boost::json;
using ::testing::HasSubstr;

constexpr const char* kManifests = R"(
apiVersion: v1
kind: Namespace
metadata: {name: default}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: default}
spec: {clusterIP: None, selector: {app: db}, ports: [{name: sql, port: 5432}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: db-1, namespace: default, labels: {kubernetes.io/service-name: db}}
addressType: IPv4
ports: [{name: sql, port: 5432}]
endpoints: [{addresses: [10.0.0.1], hostname: one}, {addresses: [10.0.0.2], conditions: {ready: false}}]
---
apiVersion: v1
kind: Service
metadata: {name: idle, namespace: default}
spec: {clusterIP: 10.96.5.5, selector: {app: none}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: out, namespace: default}
spec: {type: ExternalName, externalName: nowhere.example}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw, namespace: default}
spec: {selector: {istio: none}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*.example.com"]}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop, namespace: default}
spec: {hosts: [shop.example.com], gateways: [gw], http: [{route: [{destination: {host: missing}}]}]}
)";

// Of JSON Schema, what the description uses.
class Checker {
 public:
  explicit Checker(const json::value& document) : document_(document) {}

  void check(const json::value& schema, const json::value& value, const std::string& at) {
    const json::object& rules = schema.as_object();
    if (const auto* const reference = rules.if_contains("$ref")) {
      return check(resolve(std::string(reference->as_string())), value, at);
    }
    if (const auto* const type = rules.if_contains("type")) {
      bool fits = false;
      for (const auto& one : type->is_array() ? type->as_array() : json::array{*type}) {
        fits = fits || is(std::string(one.as_string()), value);
      }
      EXPECT_TRUE(fits) << at << " is " << value << ", not " << *type;
    }
    if (const auto* const choices = rules.if_contains("enum")) {
      const auto& all = choices->as_array();
      EXPECT_NE(std::find(all.begin(), all.end(), value), all.end()) << at << ": " << value;
    }
    if (value.is_array() && rules.contains("items")) {
      for (const auto& item : value.as_array()) check(rules.at("items"), item, at + "[]");
    }
    if (!value.is_object() || !rules.contains("properties")) return;
    const json::object& properties = rules.at("properties").as_object();
    for (const auto& [name, member] : value.as_object()) {
      ASSERT_TRUE(properties.contains(name))
          << at << "." << std::string(name) << " is not described";
      check(properties.at(name), member, at + "." + std::string(name));
    }
    if (const auto* const required = rules.if_contains("required")) {
      for (const auto& name : required->as_array()) {
        EXPECT_TRUE(value.as_object().contains(name.as_string())) << at << " lacks " << name;
      }
    }
  }
  [[nodiscard]] const json::value& resolve(const std::string& reference) const {
    const json::value* at = &document_;
    std::string rest = reference.substr(2);  // "#/"
    for (;;) {
      const std::size_t slash = rest.find('/');
      at = &at->as_object().at(rest.substr(0, slash));
      if (slash == std::string::npos) return *at;
      rest.erase(0, slash + 1);
    }
  }

 private:
  static bool is(const std::string& type, const json::value& value) {
    if (type == "object") return value.is_object();
    if (type == "array") return value.is_array();
    if (type == "string") return value.is_string();
    if (type == "boolean") return value.is_bool();
    if (type == "null") return value.is_null();
    if (type == "number") return value.is_number();
    return type == "integer" && (value.is_int64() || value.is_uint64());
  }
  const json::value& document_;
};

class ApiTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_.write("m.yaml", kManifests);
    upstream_.emplace(io_, make_silent_logger(), InstanceOptions{});
    upstream_->apply(
        parse_corefile(".:0 {\n bind 127.0.0.1\n hosts {\n  192.0.2.1 a.example.net b.example.net "
                       "c.example.net\n }\n}\n",
                       "u"));
    instance_.emplace(io_, make_silent_logger(), InstanceOptions{});
    instance_->apply(parse_corefile(
        ".:0 {\n bind 127.0.0.1\n gateways\n kubernetes cluster.local {\n  manifests " +
            (folder_ / "m.yaml") +
            "\n }\n search default.svc.cluster.local\n cache\n forward example.net 127.0.0.1:" +
            std::to_string(upstream_->listening().front().port) +
            "\n forward . 127.0.0.1:1\n console "
            "127.0.0.1:0 {\n"
            "  allow_edit\n }\n}\n",
        "f"));
    const std::string& line = instance_->http_lines().back();
    const std::size_t colon = line.rfind(':');
    server_.host = "127.0.0.1";
    server_.port = static_cast<std::uint16_t>(std::stoi(line.substr(colon + 1)));
    server_.authority = "127.0.0.1:" + std::to_string(server_.port);
    thread_ = std::thread([this] { io_.run(); });
  }
  void TearDown() override {
    boost::asio::post(io_, [this] {
      instance_->stop();
      upstream_->stop();
      io_.stop();
    });
    thread_.join();
  }
  ServerReply get(const std::string& target) {
    return get_from_server(server_, ServerQuery(target));
  }
  json::value value(const std::string& target) {
    const ServerReply reply = get(target);
    EXPECT_EQ(reply.status, 200U) << target << " " << reply.body;
    return json::parse(reply.body);
  }

  Folder folder_;
  boost::asio::io_context io_{1};
  std::optional<Instance> upstream_;
  std::optional<Instance> instance_;
  std::thread thread_;
  ServerUrl server_;
};

TEST_F(ApiTest, AnswersAreAsDescribed) {
  const json::value document = json::parse(openapi_text());
  Checker checker(document);
  const auto schema_of = [&](const std::string& path, const char* status) -> const json::value& {
    const json::value* response =
        &document.at("paths").at(path).at("get").at("responses").at(status);
    if (const auto* const reference = response->as_object().if_contains("$ref")) {
      response = &checker.resolve(std::string(reference->as_string()));
    }
    return response->at("content").as_object().begin()->value().at("schema");
  };
  std::set<std::string> seen{"/changes", "/queries", "/reload",
                             "/cache/flush",  // streams and POST
                                              // Of a configuration with `evidence` and `fault`.
                             "/evidence", "/scenarios", "/scenarios/{name}",
                             "/scenarios/{name}/{verb}", "/seed"};
  for (const char* target :
       {"status", "history", "services", "services?limit=1", "hosts", "names", "problems",
        "upstreams", "config", "explain?name=db", "explain?name=shop.example.com",
        "explain?name=nothing.default.svc.cluster.local.", "explain?name=www.example.org",
        "wait?name=db.default.svc.cluster.local", "cache", "openapi.json"}) {
    const std::string text = target;
    const std::string path = "/" + text.substr(0, text.find('?'));
    checker.check(schema_of(path, "200"), value(text), text);
    seen.insert(path);
  }
  // All that is described is there, and all that is there is described.
  for (const auto& [path, methods] : document.at("paths").as_object()) {
    EXPECT_TRUE(seen.contains(std::string(path))) << path;
  }
  for (const ConsoleApi::Path& path : ConsoleApi::paths()) {
    std::string name = "/" + std::string(path.path);
    if (name.ends_with("/*")) {
      name.replace(name.size() - 1, 1, path.method == "POST" ? "{name}/{verb}" : "{name}");
    }
    std::string method(path.method);
    std::transform(method.begin(), method.end(), method.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    ASSERT_TRUE(document.at("paths").as_object().contains(name)) << name;
    EXPECT_TRUE(document.at("paths").at(name).as_object().contains(method)) << name;
  }
  for (const char* target : {"explain", "services?limit=x", "nothing", "wait?name=a&timeout=x"}) {
    const ServerReply reply = get(target);
    EXPECT_GE(reply.status, 400U);
    checker.check(document.at("components").at("schemas").at("Problem"), json::parse(reply.body),
                  target);
  }
}

TEST_F(ApiTest, StatesOfServicesAndHosts) {
  const json::value services = value("services");
  std::map<std::string, std::string> states;
  for (const auto& item : services.at("items").as_array()) {
    states[std::string(item.at("name").as_string())] = std::string(item.at("state").as_string());
  }
  EXPECT_EQ(states["db"], "ok");
  EXPECT_EQ(states["idle"], "no endpoints");
  const json::value hosts = value("hosts?kind=istio");
  EXPECT_THAT(json::serialize(hosts), HasSubstr("\"state\":\"no address\""));
  EXPECT_EQ(value("hosts?kind=ingress").at("total").to_number<int>(), 0);
}

// What is kept, one page after the other, and what is left of it.
TEST_F(ApiTest, TheCache) {
  for (const char* name : {"a.example.net", "b.example.net", "c.example.net"}) {
    (void)value(std::string("explain?name=") + name + ".");
  }
  const auto names = [&](const std::string& target) {
    std::multiset<std::string> all;
    std::string next;
    do {
      const json::value page = value(target + (next.empty() ? "" : "&cursor=" + next));
      EXPECT_LE(page.at("items").as_array().size(), 1U);
      for (const auto& item : page.at("items").as_array()) {
        all.insert(std::string(item.at("name").as_string()));
        EXPECT_EQ(item.at("rcode").as_string(), "NOERROR");
        EXPECT_LE(item.at("ttl").to_number<int>(), 3600);
      }
      next = page.at("next").is_null() ? "" : std::string(page.at("next").as_string());
    } while (!next.empty() && all.size() < 100);
    return all;
  };
  const auto all = names("cache?limit=1");
  for (const char* name : {"a.example.net.", "b.example.net.", "c.example.net."}) {
    EXPECT_TRUE(all.contains(name)) << name;
  }
  for (const std::string& name : names("cache?limit=1&name=B.example.net")) {
    EXPECT_EQ(name, "b.example.net.");
  }
  EXPECT_EQ(get("cache?cursor=1").status, 400U);
  EXPECT_EQ(get("cache?cursor=1.x").status, 400U);

  std::ostringstream out, err;
  CacheCommandOptions options;
  options.server = server_;
  options.name = "a.example.net";
  EXPECT_EQ(run_cache(options, out, err), 0) << err.str();
  EXPECT_THAT(out.str(), HasSubstr("a.example.net. "));
  EXPECT_THAT(out.str(), HasSubstr(" A 192.0.2.1\n"));
  EXPECT_THAT(out.str(), Not(HasSubstr("b.example.net")));
  options.flush = true;
  out.str("");
  EXPECT_EQ(run_cache(options, out, err), 0) << err.str();
  EXPECT_THAT(out.str(), HasSubstr(" forgotten\n"));
  EXPECT_FALSE(names("cache?limit=1").contains("a.example.net."));
  EXPECT_TRUE(names("cache?limit=1").contains("b.example.net."));
  options.name.reset();
  EXPECT_EQ(run_cache(options, out, err), 0) << err.str();
  EXPECT_TRUE(names("cache?limit=1").empty());
}

TEST_F(ApiTest, ListsInPages) {
  // As they are in one piece.
  const auto pages = [&](const std::string& list, const std::string& member) {
    json::array all;
    std::string next;
    do {
      std::string target = list + "?limit=1";
      if (!next.empty()) {
        ServerQuery query("");
        query.add("cursor", next);
        target += "&" + query.target().substr(query.target().find('?') + 1);
      }
      const json::value page = value(target);
      EXPECT_LE(page.at(member).as_array().size(), 1U) << target;
      for (const auto& item : page.at(member).as_array()) all.push_back(item);
      if (all.size() > 100) break;  // it goes in a circle
      next = page.at("next").is_null() ? "" : std::string(page.at("next").as_string());
    } while (!next.empty());
    return all;
  };
  for (const auto& [list, member] : std::map<std::string, std::string>{{"services", "items"},
                                                                       {"hosts", "items"},
                                                                       {"names", "items"},
                                                                       {"problems", "problems"}}) {
    const json::value whole = value(list);
    EXPECT_TRUE(whole.at("next").is_null()) << list;
    EXPECT_GT(whole.at(member).as_array().size(), 1U) << list;
    EXPECT_EQ(pages(list, member), whole.at(member).as_array()) << list;
  }
  EXPECT_FALSE(value("problems").at("truncated").as_bool());
  // A cursor is a place, whatever stands there now.
  EXPECT_EQ(get("problems?cursor=Service.%20default/zzz%207").status, 200U);
  EXPECT_EQ(get("problems?cursor=nonsense").status, 400U);
}

TEST_F(ApiTest, AKindThatNoListHas) {
  for (const char* bad : {"services?kind=istio", "hosts?kind=Headless", "names?kind=x"}) {
    const ServerReply reply = get(bad);
    EXPECT_EQ(reply.status, 400U) << bad;
    EXPECT_THAT(reply.body, HasSubstr("kind: ")) << bad;
  }
  for (const char* good :
       {"services?kind=headless", "hosts?kind=VirtualService", "names?kind=istio"}) {
    EXPECT_EQ(get(good).status, 200U) << good;
  }
}

TEST_F(ApiTest, NamesAndRecords) {
  const std::string text = json::serialize(value("names?q=db.default"));
  EXPECT_THAT(
      text,
      HasSubstr(
          R"({"name":"one.db.default.svc.cluster.local.","records":[{"type":"A","ttl":5,"data":"10.0.0.1"}]})"));
  EXPECT_THAT(
      text,
      HasSubstr(R"("name":"_sql._tcp.db.default.svc.cluster.local.","records":[{"type":"SRV")"));
  const json::value first = value("names?limit=1");
  const std::string next(first.at("next").as_string());
  const json::value second = value("names?limit=1&cursor=" + next);
  EXPECT_NE(first.at("items"), second.at("items"));
}

TEST(ProblemReplyTest, TitlesAreThoseOfTheStatus) {
  EXPECT_THAT(problem_reply(409, "").body, HasSubstr("\"title\":\"Conflict\""));
}

TEST(ListRequestTest, LimitsAndWords) {
  const auto list = [](const std::string& query) {
    HttpRequest request;
    request.query = *HttpParameters::parse(query);
    return ListRequest(request);
  };
  EXPECT_EQ(list("").limit, kConsolePage);
  EXPECT_EQ(list("limit=7").limit, 7U);
  EXPECT_EQ(list("limit=10001").limit, kConsolePageMost);
  EXPECT_EQ(list("limit=99999999999999999999999").limit, kConsolePageMost);
  for (const char* bad :
       {"limit=0", "limit=-1", "limit=x", "limit=1x", "namespace=A", "namespace=a.b"}) {
    EXPECT_THROW(list(bad), ParameterError) << bad;
  }
  EXPECT_TRUE(list("q=WEB").finds("my-web"));
  EXPECT_FALSE(list("q=x").finds("my-web"));
  EXPECT_TRUE(list("kind=headless").is_kind("Headless"));
}

TEST(WithoutSecrets, WhatIsSecretIsNotShown) {
  EXPECT_EQ(without_secrets("a {\n  token /etc/token\n  # secret x y\n}\n"),
            "a {\n  token /etc/token\n  # secret x ***\n}\n");
  EXPECT_EQ(without_secrets("tsig {\n  \"secret\" a. \"AA\\\"A\nBBBB=\" hmac-sha1\n  x y\n}\n"),
            "tsig {\n  \"secret\" a. ***\n  x y\n}\n");
  EXPECT_EQ(without_secrets("#secret x.\nsecret {\n  secret \"open"),
            "#secret ***\nsecret {\n  secret ***");
  EXPECT_EQ(without_secrets(
                "tsig {\n  secret key.example. NoTCJU+DMqFWywaPyxSijrDEA/eC3nK0xi3AMEZuPVk=\n}\n"),
            "tsig {\n  secret key.example. ***\n}\n");
  EXPECT_EQ(without_secrets("etcd {\n  credentials user pass\n  password x\n}"),
            "etcd {\n  credentials ***\n  password ***\n}");
  // What the Corefile takes as white space separates here, too; `secrets` has a file.
  for (const std::string space :
       {"\xC2\xA0", "\v", "\f", "\xC2\x85", "\xE2\x80\x83", "\xE3\x80\x80"}) {
    EXPECT_EQ(without_secrets("secret" + space + "key." + space + "AAAA=\n"),
              "secret" + space + "key." + space + "***\n");
  }
  EXPECT_EQ(without_secrets("secrets /etc/keys\nsecrets key. AAAA=\n"),
            "secrets /etc/keys\nsecrets key. ***\n");
  EXPECT_EQ(without_secrets(""), "");
}

}  // namespace
}  // namespace clusterdns::app
