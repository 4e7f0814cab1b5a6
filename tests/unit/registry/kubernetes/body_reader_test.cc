#include "registry/kubernetes/body_reader.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace clusterdns::registry::kubernetes {
namespace {

// --- protobuf, written by hand ---

std::string varint(std::uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
  return out;
}
std::string bytes(unsigned field, const std::string& content) {
  return varint(field << 3 | 2) + varint(content.size()) + content;
}
std::string number(unsigned field, std::uint64_t value) {
  return varint(field << 3) + varint(value);
}
std::string entry(unsigned field, const std::string& key, const std::string& value) {
  return bytes(field, bytes(1, key) + bytes(2, value));
}
std::string wrapped(const std::string& object) {
  return std::string("k8s\0", 4) + bytes(1, bytes(1, "v1") + bytes(2, "Kind")) + bytes(2, object);
}
std::string frame(const std::string& type, const std::string& object) {
  const std::string event = bytes(1, type) + bytes(2, bytes(1, wrapped(object)));
  std::string out;
  for (const unsigned shift : {24U, 16U, 8U, 0U}) {
    out.push_back(static_cast<char>(event.size() >> shift));
  }
  return out + event;
}

std::string protobuf_service() {
  const std::string metadata = bytes(1, "web") + bytes(3, "default") + bytes(6, "42") +
                               bytes(8, number(1, 1769860800) + number(2, 0)) +
                               entry(11, "app", "web") + bytes(17, std::string(300, 'm'));
  const std::string port =
      bytes(1, "http") + bytes(2, "UDP") + number(3, 80) + bytes(6, "kubernetes.io/h2c");
  const std::string spec = bytes(1, port) + bytes(3, "10.96.0.20") + bytes(4, "LoadBalancer") +
                           bytes(5, "192.0.2.1") + bytes(18, "10.96.0.20") + bytes(18, "fd00::20") +
                           number(99, 5);
  const std::string status = bytes(1, bytes(1, bytes(1, "192.0.2.9")));
  return bytes(1, metadata) + bytes(2, spec) + bytes(3, status);
}
constexpr const char* kJsonService =
    R"({"kind":"Service","metadata":{"name":"web","namespace":"default","resourceVersion":"42",)"
    R"("creationTimestamp":"2026-01-31T12:00:00Z",)"
    R"("labels":{"app":"web"},"managedFields":[{"x":"}]{"}]},"spec":{"ports":[{"name":"http",)"
    R"("protocol":"UDP","port":80,"appProtocol":"kubernetes.io/h2c"}],"clusterIP":"10.96.0.20","type":"LoadBalancer",)"
    R"("externalIPs":["192.0.2.1"],"clusterIPs":["10.96.0.20","fd00::20"]},)"
    R"("status":{"loadBalancer":{"ingress":[{"ip":"192.0.2.9"}]}}})";

std::string protobuf_slice() {
  const std::string metadata =
      bytes(1, "web-1") + bytes(3, "default") + bytes(6, "43") +
      entry(11, "kubernetes.io/service-name", "web") +
      entry(12, "endpoints.kubernetes.io/last-change-trigger-time", "2026-01-01T00:00:00Z");
  const auto endpoint = [](const std::string& address, bool ready, const std::string& more) {
    return bytes(2, bytes(1, address) + bytes(2, number(1, ready ? 1 : 0)) + more);
  };
  return bytes(1, metadata) + endpoint("10.244.0.1", true, bytes(3, "db-0") + bytes(7, "zone-a")) +
         endpoint("10.244.0.2", false, bytes(4, bytes(1, "Pod") + bytes(3, "web-x"))) +
         bytes(3, bytes(1, "http") + bytes(2, "TCP") + number(3, 8080)) + bytes(4, "IPv4");
}
constexpr const char* kJsonSlice =
    R"({"metadata":{"name":"web-1","namespace":"default","resourceVersion":"43",)"
    R"("labels":{"kubernetes.io/service-name":"web"},"annotations":{)"
    R"("endpoints.kubernetes.io/last-change-trigger-time":"2026-01-01T00:00:00Z"}},)"
    R"("endpoints":[{"addresses":["10.244.0.1"],"conditions":{"ready":true},"hostname":"db-0",)"
    R"("zone":"zone-a"},{"addresses":["10.244.0.2"],"conditions":{"ready":false},)"
    R"("targetRef":{"kind":"Pod","name":"web-x"}}],"ports":[{"name":"http","protocol":"TCP",)"
    R"("port":8080}],"addressType":"IPv4"})";

std::span<const std::uint8_t> octets(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

ApiObject read(Encoding encoding, const ApiKind& kind, const std::string& text,
               const ReadOptions& options) {
  ApiObject object;
  EXPECT_TRUE(read_object(encoding, kind, octets(text), options, object));
  EXPECT_EQ(object.problem, "");
  return object;
}

TEST(ApiObjectTest, BothEncodingsReadTheSame) {
  for (const ReadOptions& options : {ReadOptions{}, ReadOptions{true, true, true, true},
                                     ReadOptions{true, true, true, true, true}}) {
    const ApiObject a = read(Encoding::Protobuf, kinds::services(), protobuf_service(), options);
    const ApiObject b = read(Encoding::Json, kinds::services(), kJsonService, options);
    EXPECT_EQ(std::get<Service>(a.body), std::get<Service>(b.body));
    EXPECT_EQ(a.resource_version, "42");
    EXPECT_EQ(b.resource_version, "42");
    const ApiObject c =
        read(Encoding::Protobuf, kinds::endpoint_slices(), protobuf_slice(), options);
    const ApiObject d = read(Encoding::Json, kinds::endpoint_slices(), kJsonSlice, options);
    EXPECT_EQ(std::get<EndpointSlice>(c.body), std::get<EndpointSlice>(d.body));
    EXPECT_EQ(c.change_trigger_time, "2026-01-01T00:00:00Z");
    EXPECT_EQ(d.change_trigger_time, c.change_trigger_time);
  }
}

TEST(ApiObjectTest, TimesOfCreation) {
  EXPECT_EQ(created_text(parse_created("2026-01-31T12:00:00Z")), "2026-01-31T12:00:00Z");
  for (const char* const none : {"", "2026-01-31", "2026-01-31T12:00:00", "2026-13-31T12:00:00Z",
                                 "1969-12-31T23:59:59Z", "9999-12-31T23:59:59Z", "null"}) {
    EXPECT_EQ(parse_created(none), 0U) << none;
  }
  EXPECT_EQ(created_text(0), "");
}

TEST(ApiObjectTest, WhatIsKept) {
  const ReadOptions all{true, true, true, true, true};
  const auto service =
      std::get<Service>(read(Encoding::Protobuf, kinds::services(), protobuf_service(), all).body);
  EXPECT_EQ(service.type, ServiceType::LoadBalancer);
  ASSERT_EQ(service.cluster_ips.size(), 2U);
  EXPECT_EQ(service.cluster_ips[1].to_string(), "fd00::20");
  ASSERT_EQ(service.ports.size(), 1U);
  EXPECT_EQ(service.ports[0].protocol, Protocol::Udp);
  EXPECT_EQ(service.labels, (Labels{{"app", "web"}}));
  EXPECT_EQ(service.load_balancer_ips.at(0).to_string(), "192.0.2.9");
  EXPECT_EQ(created_text(service.created), "2026-01-31T12:00:00Z");
  ASSERT_TRUE(service.detail);
  ASSERT_EQ(service.detail->app_protocols.size(), 1U);
  EXPECT_EQ(service.detail->app_protocols[0],
            (AppProtocol{80, Protocol::Udp, "kubernetes.io/h2c"}));
  const auto slice = std::get<EndpointSlice>(
      read(Encoding::Protobuf, kinds::endpoint_slices(), protobuf_slice(), all).body);
  ASSERT_EQ(slice.endpoints.size(), 2U);
  EXPECT_EQ(slice.service, "web");
  EXPECT_EQ(slice.endpoints[0].detail->hostname, "db-0");
  EXPECT_EQ(slice.endpoints[0].detail->zone, "zone-a");
  EXPECT_FALSE(slice.endpoints[1].ready);
  EXPECT_EQ(slice.endpoints[1].detail->target_name, "web-x");
  // Without the options nothing of that costs memory.
  const auto slim = std::get<EndpointSlice>(
      read(Encoding::Protobuf, kinds::endpoint_slices(), protobuf_slice(), {}).body);
  EXPECT_EQ(slim.endpoints[1].detail, nullptr);
}

TEST(ApiObjectTest, CutAnywhereItIsNoObjectOrAShorterOne) {
  const std::string whole = protobuf_slice();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    ApiObject object;
    // It must not read past the end; what it makes of a cut is its own business.
    const std::string part = whole.substr(0, size);
    const bool read =
        read_object(Encoding::Protobuf, kinds::endpoint_slices(), octets(part), {}, object);
    EXPECT_TRUE(read || !object.problem.empty()) << size;
  }
  const std::string json = kJsonSlice;
  for (std::size_t size = 0; size < json.size(); ++size) {
    ApiObject object;
    EXPECT_FALSE(read_object(Encoding::Json, kinds::endpoint_slices(), octets(json.substr(0, size)),
                             {}, object));
  }
}

// --- objects that no API server has, but something that stands in for one may ---

struct OddText {
  const char* text;
  const char* problem;  // or a part of it
};

TEST(ApiObjectTest, ObjectsThatAreNone) {
  for (const OddText& odd : {
           OddText{"null", "not a JSON object"},
           {"[]", "not a JSON object"},
           {"\"text\"", "not a JSON object"},
           {"12", "not a JSON object"},
           {"", "not a JSON object"},
           {"{\"metadata\":", "not a JSON object"},
           {R"({"metadata":{"name":"Web","namespace":"default"}})", "the name 'Web' is not"},
           {R"({"metadata":{"name":"web"}})", "the namespace '' is not"},
           {R"({"metadata":{"name":"web","namespace":7}})", "the namespace '' is not"},
           {R"({"metadata":{"name":"a\u0000b","namespace":"default"}})",
            "the name 'a\\x00b' is not"},
           {"{\"metadata\":{\"name\":\"\xff\",\"namespace\":\"default\"}}",
            "the name '\\xFF' is not"},
       }) {
    ApiObject object;
    (void)read_object(Encoding::Json, kinds::services(), octets(odd.text), {}, object);
    EXPECT_NE(object.problem.find(odd.problem), std::string::npos)
        << odd.text << ": " << object.problem;
  }
  std::string deep = R"({"metadata":{"name":"web","namespace":"default"},"x":)";
  ApiObject object;
  EXPECT_FALSE(read_object(
      Encoding::Json, kinds::services(),
      octets(deep + std::string(100'000, '[') + std::string(100'000, ']') + "}"), {}, object));
}

// A bookmark has no name, and neither has what is not an object; the caller knows which it is.
TEST(ApiObjectTest, WithoutANameThereIsNoBody) {
  for (const char* text :
       {"{}", R"({"metadata":null})", R"({"metadata":[]})", R"({"metadata":{"name":5}})",
        R"({"metadata":{"namespace":"default"},"spec":{"clusterIP":"10.96.0.9"}})"}) {
    ApiObject object;
    EXPECT_TRUE(read_object(Encoding::Json, kinds::services(), octets(text), {}, object));
    EXPECT_TRUE(std::holds_alternative<std::monostate>(object.body)) << text;
  }
  ApiObject object;
  EXPECT_TRUE(read_object(Encoding::Protobuf, kinds::services(),
                          octets(bytes(2, bytes(3, "10.96.0.9"))), {}, object));
  EXPECT_TRUE(std::holds_alternative<std::monostate>(object.body));
}

std::string named(const std::string& rest) {
  return R"({"metadata":{"name":"web","namespace":"default"})" + rest + "}";
}

TEST(ApiObjectTest, FieldsOfTheWrongTypeCountAsNotSet) {
  ApiObject object;
  ASSERT_TRUE(
      read_object(Encoding::Json, kinds::services(),
                  octets(named(R"(,"spec":{"clusterIP":["10.96.0.1"],"clusterIPs":"10.96.0.1",)"
                               R"("ports":[null,7,"x",[],{"port":80}],"type":3},"status":[])")),
                  {true, true, true, true}, object));
  // Told, so that whoever reads it may keep what was known.
  EXPECT_EQ(object.problem, "status is of a type that it cannot have");
  const auto& service = std::get<Service>(object.body);
  EXPECT_TRUE(service.cluster_ips.empty());
  EXPECT_EQ(service.type, ServiceType::ClusterIP);
  ASSERT_EQ(service.ports.size(), 1U);
  EXPECT_EQ(service.ports[0].port, 80);
  for (const char* spec : {R"(,"spec":null)", R"(,"spec":"x")", R"(,"spec":[{}])"}) {
    ApiObject other;
    EXPECT_TRUE(read_object(Encoding::Json, kinds::services(), octets(named(spec)), {}, other))
        << spec;
  }
}

// Both encodings; a number that is not a port must not become another one by being cut to 16 bits.
TEST(ApiObjectTest, NumbersThatAreNoPorts) {
  for (const std::string number_text : {"-1", "0", "65536", "65616", "4294967376", "80.5", "1e400",
                                        "9223372036854775808", "\"80\""}) {
    ApiObject service, slice;
    ASSERT_TRUE(read_object(Encoding::Json, kinds::services(),
                            octets(named(R"(,"spec":{"ports":[{"name":"http","port":)" +
                                         number_text + R"(},{"name":"good","port":443}]})")),
                            {}, service));
    ASSERT_EQ(std::get<Service>(service.body).ports.size(), 1U) << number_text;
    EXPECT_EQ(std::get<Service>(service.body).ports[0].name, "good");
    EXPECT_NE(service.note, "") << number_text;
    ASSERT_TRUE(read_object(
        Encoding::Json, kinds::endpoint_slices(),
        octets(named(R"(,"ports":[{"name":"http","port":)" + number_text + "}]")), {}, slice));
    ASSERT_EQ(std::get<EndpointSlice>(slice.body).ports.size(), 1U);
    EXPECT_EQ(std::get<EndpointSlice>(slice.body).ports[0].port, 0) << number_text;
  }
  for (const std::uint64_t value :
       {~std::uint64_t{0}, std::uint64_t{0}, std::uint64_t{65616}, std::uint64_t{1} << 40}) {
    ApiObject object;
    ASSERT_TRUE(read_object(Encoding::Protobuf, kinds::services(),
                            octets(bytes(1, bytes(1, "web") + bytes(3, "default")) +
                                   bytes(2, bytes(1, number(3, value)) + bytes(1, number(3, 443)))),
                            {}, object));
    ASSERT_EQ(std::get<Service>(object.body).ports.size(), 1U) << value;
    EXPECT_EQ(std::get<Service>(object.body).ports[0].port, 443);
  }
  // As JSON writes a whole number, too.
  ApiObject object;
  ASSERT_TRUE(read_object(Encoding::Json, kinds::services(),
                          octets(named(R"(,"spec":{"ports":[{"port":8.0e1}]})")), {}, object));
  EXPECT_EQ(std::get<Service>(object.body).ports.at(0).port, 80);
}

TEST(ApiObjectTest, PartsThatCannotStandInDnsAreLeftOut) {
  const ReadOptions all{true, true, true, true};
  ApiObject object;
  ASSERT_TRUE(read_object(
      Encoding::Json, kinds::endpoint_slices(),
      octets(named(
          R"(,"endpoints":[{"addresses":["10.0.0.1","x",null,"10.0.0.2"],"hostname":"A_b",)"
          R"("zone":"a b","targetRef":{"name":"pod.with.dots"}},null,"x",{"addresses":null}],)"
          R"("ports":[{"name":"UPPER","port":80}])")),
      all, object));
  const auto& slice = std::get<EndpointSlice>(object.body);
  ASSERT_EQ(slice.endpoints.size(), 2U);
  EXPECT_EQ(slice.endpoints[0].detail, nullptr);
  EXPECT_EQ(slice.ports.at(0).name, "");
  EXPECT_NE(object.note.find("endpoints[].hostname: 'A_b' is not a DNS label"), std::string::npos)
      << object.note;
}

TEST(ApiObjectTest, EmptyTextIsNotSet) {
  ApiObject object;
  ASSERT_TRUE(read_object(
      Encoding::Json, kinds::services(),
      octets(
          named(R"(,"spec":{"type":"","clusterIP":"","externalName":"","ports":[{"name":"",)"
                R"("protocol":"","port":80}]},"status":{"loadBalancer":{"ingress":[{"ip":""}]}})")),
      {}, object));
  EXPECT_EQ(object.note, "");
  const auto& service = std::get<Service>(object.body);
  EXPECT_EQ(service.type, ServiceType::ClusterIP);
  EXPECT_FALSE(service.headless);
  EXPECT_EQ(service.ports.at(0).protocol, Protocol::Tcp);
  ApiObject other;
  ASSERT_TRUE(read_object(Encoding::Json, kinds::endpoint_slices(),
                          octets(named(R"(,"endpoints":[{"addresses":["10.0.0.1"],"hostname":"",)"
                                       R"("zone":"","conditions":{"ready":null}}])")),
                          {true, true, true, true}, other));
  EXPECT_EQ(other.note, "");
  const auto& slice = std::get<EndpointSlice>(other.body);
  EXPECT_TRUE(slice.endpoints[0].ready);
  EXPECT_EQ(slice.endpoints[0].detail, nullptr);
}

TEST(ApiObjectTest, NamesMayBeLongerThanALabel) {
  const std::string name = std::string(100, 'a') + "." + std::string(152, 'b');
  for (const ApiKind& kind : {kinds::pods(), kinds::endpoint_slices()}) {
    ApiObject json, protobuf;
    EXPECT_TRUE(read_object(
        Encoding::Json, kind,
        octets(R"({"metadata":{"name":")" + name + R"(","namespace":"default"}})"), {}, json));
    EXPECT_EQ(json.problem, "");
    EXPECT_TRUE(read_object(Encoding::Protobuf, kind,
                            octets(bytes(1, bytes(1, name) + bytes(3, "default"))), {}, protobuf));
    EXPECT_EQ(protobuf.problem, "");
  }
  // Services and namespaces are labels of names.
  ApiObject service;
  (void)read_object(
      Encoding::Json, kinds::services(),
      octets(R"({"metadata":{"name":")" + std::string(64, 'a') + R"(","namespace":"default"}})"),
      {}, service);
  EXPECT_NE(service.problem, "");
}

// RFC 8259, section 8.2; the annotation is of no interest, and costs nothing.
TEST(ApiObjectTest, OddCharactersInTextThatIsNotRead) {
  for (const std::string annotation :
       {R"(\ud83d\ude80)", R"(\ud83d)", R"(\udc00\ud800)", "\xff\xfe", R"(\u0000)"}) {
    ApiObject object;
    EXPECT_TRUE(read_object(
        Encoding::Json, kinds::services(),
        octets(R"({"metadata":{"name":"web","namespace":"default","annotations":{"a":")" +
               annotation + R"("}}})"),
        {}, object))
        << annotation;
    EXPECT_EQ(object.problem, "");
  }
}

struct Collected final : BodySink {
  bool on_event(std::string_view type, std::string_view kind,
                std::span<const std::uint8_t> object) override {
    if (!kind.empty()) kinds.emplace_back(kind);
    seen.emplace_back(std::string(type),
                      std::string(reinterpret_cast<const char*>(object.data()), object.size()));
    return true;
  }
  bool on_list_kind(std::string_view kind) override {
    kinds.emplace_back(kind);
    return kind != "WrongList";
  }
  bool on_item(std::span<const std::uint8_t> object) override {
    return on_event("item", {}, object);
  }
  bool on_list_end(std::string_view version, std::string_view next) override {
    seen.emplace_back(std::string(version), std::string(next));
    return true;
  }
  std::vector<std::pair<std::string, std::string>> seen;
  std::vector<std::string> kinds;
};
using Seen = std::vector<std::pair<std::string, std::string>>;

TEST(BodyReaderTest, KindsAreToldBeforeItems) {
  const std::string items = R"("items":[{"a":1}])",
                    version = R"("metadata":{"resourceVersion":"7"})";
  const auto feed = [](Encoding encoding, bool list, const std::string& body, Collected& sink) {
    const auto reader = list ? make_list_reader(encoding, sink) : make_watch_reader(encoding, sink);
    const bool fed = reader->feed(octets(body));
    const bool whole = fed && reader->finish();
    return std::pair(whole, std::string(reader->problem()));
  };
  Collected right, wrong, late, none, around;
  EXPECT_TRUE(
      feed(Encoding::Json, true, R"({"kind":"ServiceList",)" + version + "," + items + "}", right)
          .first);
  EXPECT_EQ(right.kinds.front(), "ServiceList");
  EXPECT_FALSE(
      feed(Encoding::Json, true, R"({"kind":"WrongList",)" + version + "," + items + "}", wrong)
          .first);
  EXPECT_TRUE(wrong.seen.empty());
  EXPECT_FALSE(
      feed(Encoding::Json, true, "{" + items + "," + version + R"(,"kind":"WrongList"})", late)
          .first);
  EXPECT_EQ(late.seen.size(), 1u);
  EXPECT_TRUE(feed(Encoding::Json, true, "{" + version + R"(,"items":null})", none).first);
  for (const char* odd : {"{}", R"("x")", "7", "true"}) {
    Collected sink;
    EXPECT_EQ(feed(Encoding::Json, true, "{" + version + ",\"items\":" + odd + "}", sink),
              std::pair(false, std::string("its items are not a list")))
        << odd;
  }
  const auto list = [](const std::string& kind) {
    return std::string("k8s\0", 4) + bytes(1, bytes(1, "v1") + bytes(2, kind)) +
           bytes(2, bytes(1, bytes(2, "7")) + bytes(2, bytes(1, bytes(1, "a"))));
  };
  Collected protobuf, wrong_protobuf;
  EXPECT_TRUE(feed(Encoding::Protobuf, true, list("ServiceList"), protobuf).first);
  EXPECT_EQ(protobuf.kinds, (std::vector<std::string>{"ServiceList"}));
  EXPECT_FALSE(feed(Encoding::Protobuf, true, list("WrongList"), wrong_protobuf).first);
  EXPECT_TRUE(wrong_protobuf.seen.empty());
  EXPECT_TRUE(feed(Encoding::Protobuf, false, frame("ADDED", "x"), around).first);
  EXPECT_EQ(around.kinds, (std::vector<std::string>{"Kind"}));
}

// In pieces of every size.
void expect_read(const std::string& body, bool list, Encoding encoding, const Seen& wanted) {
  for (std::size_t piece = 1; piece <= body.size(); piece = piece < 40 ? piece + 1 : piece * 2) {
    Collected sink;
    const auto reader = list ? make_list_reader(encoding, sink) : make_watch_reader(encoding, sink);
    for (std::size_t at = 0; at < body.size(); at += piece) {
      ASSERT_TRUE(reader->feed(octets(body).subspan(at, std::min(piece, body.size() - at))));
    }
    EXPECT_TRUE(reader->finish());
    EXPECT_EQ(sink.seen, wanted) << "pieces of " << piece;
  }
}

TEST(BodyReaderTest, Watches) {
  const std::string service = protobuf_service();
  expect_read(frame("ADDED", service) + frame("BOOKMARK", "") + frame("DELETED", service), false,
              Encoding::Protobuf, {{"ADDED", service}, {"BOOKMARK", ""}, {"DELETED", service}});
  const std::string json = kJsonService;
  expect_read("{\"type\":\"ADDED\",\"object\":" + json +
                  "}\n{ \"type\" : \"MODIFIED\", \"object\" : " + json + " }\n",
              false, Encoding::Json, {{"ADDED", json}, {"MODIFIED", json}});
}

TEST(BodyReaderTest, Lists) {
  const std::string service = protobuf_service();
  const std::string list =
      bytes(1, bytes(2, "77") + bytes(3, "next")) + bytes(2, service) + bytes(2, service);
  expect_read(wrapped(list), true, Encoding::Protobuf,
              {{"item", service}, {"item", service}, {"77", "next"}});
  const std::string json = kJsonService;
  expect_read(R"({"kind":"items","items":[)" + json + " , " + json +
                  R"( ],"metadata":{"resourceVersion":"77","continue":"next"}})",
              true, Encoding::Json, {{"item", json}, {"item", json}, {"77", "next"}});
  expect_read(R"({"metadata":{"resourceVersion":"78"},"items":null})", true, Encoding::Json,
              {{"78", ""}});
}

// What stands where an object should is handed over like one: it must not take its neighbours
// along.
TEST(BodyReaderTest, ItemsThatAreNoObjects) {
  const std::string json = kJsonService;
  expect_read(R"({"items":[null, )" + json +
                  R"(,"a,]}\"",[1,{"x":[]}] ,12,[], {} ,true],)"
                  R"("metadata":{"resourceVersion":"77"}})",
              true, Encoding::Json,
              {{"item", "null"},
               {"item", json},
               {"item", R"("a,]}\"")"},
               {"item", R"([1,{"x":[]}])"},
               {"item", "12"},
               {"item", "[]"},
               {"item", "{}"},
               {"item", "true"},
               {"77", ""}});
  expect_read(R"({"items":[ ],"metadata":{"resourceVersion":"77"}})", true, Encoding::Json,
              {{"77", ""}});
  const std::string good = protobuf_service();
  const std::string cut = good.substr(0, good.size() / 2);
  expect_read(wrapped(bytes(1, bytes(2, "77")) + bytes(2, "") + bytes(2, cut) + bytes(2, good)),
              true, Encoding::Protobuf, {{"item", ""}, {"item", cut}, {"item", good}, {"77", ""}});
}

TEST(BodyReaderTest, EventsWithoutAnObject) {
  const std::string json = kJsonService;
  expect_read(
      R"({"type":"ADDED"} {"type":"MODIFIED","object":null}{"object":"x","type":"ADDED"})"
      R"({"type":"ADDED","object":[{}]}{"type":"DELETED","object":)" +
          json + "}{}",
      false, Encoding::Json,
      {{"ADDED", ""}, {"MODIFIED", ""}, {"ADDED", ""}, {"ADDED", ""}, {"DELETED", json}, {"", ""}});
  const auto event = [](const std::string& content) {
    std::string out;
    for (const unsigned shift : {24U, 16U, 8U, 0U}) {
      out.push_back(static_cast<char>(content.size() >> shift));
    }
    return out + content;
  };
  const std::string service = protobuf_service();
  expect_read(event(bytes(1, "ADDED")) +
                  event(bytes(1, "ADDED") + bytes(2, bytes(1, "no envelope"))) +
                  event(bytes(1, "ADDED") + std::string("\x12\x7f", 2)) + frame("DELETED", service),
              false, Encoding::Protobuf,
              {{"ADDED", ""}, {"ADDED", ""}, {"ADDED", ""}, {"DELETED", service}});
}

// Protobuf may grow fields of any kind beside those that are known.
TEST(BodyReaderTest, UnknownFieldsAreSkipped) {
  const std::string service = protobuf_service();
  const std::string other = number(9, 300) + varint(10 << 3 | 5) + "1234" + varint(11 << 3 | 1) +
                            "12345678" + bytes(12, "text");
  expect_read(std::string("k8s\0", 4) + other +
                  bytes(2, other + bytes(1, bytes(2, "77")) + other + bytes(2, service) + other) +
                  other,
              true, Encoding::Protobuf, {{"item", service}, {"77", ""}});
  ApiObject plain, grown;
  EXPECT_TRUE(read_object(Encoding::Protobuf, kinds::services(), octets(service), {}, plain));
  EXPECT_TRUE(read_object(Encoding::Protobuf, kinds::services(), octets(other + service + other),
                          {}, grown));
  EXPECT_EQ(std::get<Service>(plain.body), std::get<Service>(grown.body));
}

TEST(BodyReaderTest, WhatIsNoBody) {
  const auto bad = [](const std::string& body, bool list, Encoding encoding) {
    Collected sink;
    const auto reader = list ? make_list_reader(encoding, sink) : make_watch_reader(encoding, sink);
    return !reader->feed(octets(body)) || !reader->finish();
  };
  for (const char* text : {"<html>", "[]", "{\"items\":[}", "{\"items\":[{}}", "{\"a\":1", "{}}"}) {
    EXPECT_TRUE(bad(text, true, Encoding::Json)) << text;
  }
  for (const char* text : {"<html>", "{\"type\":ADDED}", "{\"type\":\"ADDED\",\"object\":{"}) {
    EXPECT_TRUE(bad(text, false, Encoding::Json)) << text;
  }
  EXPECT_TRUE(bad(std::string("\xff\xff\xff\xff", 4), false, Encoding::Protobuf));
  EXPECT_TRUE(bad(frame("ADDED", "x").substr(0, 9), false, Encoding::Protobuf));
  EXPECT_TRUE(bad("no", true, Encoding::Protobuf));
  EXPECT_TRUE(bad(wrapped(bytes(2, "x")).substr(0, 20), true, Encoding::Protobuf));
}

}  // namespace
}  // namespace clusterdns::registry::kubernetes
