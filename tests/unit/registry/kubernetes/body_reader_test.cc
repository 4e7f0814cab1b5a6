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
std::string number(unsigned field, std::uint64_t value) { return varint(field << 3) + varint(value); }
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
                               entry(11, "app", "web") + bytes(17, std::string(300, 'm'));
  const std::string port = bytes(1, "http") + bytes(2, "UDP") + number(3, 80);
  const std::string spec = bytes(1, port) + bytes(3, "10.96.0.20") + bytes(4, "LoadBalancer") +
                           bytes(5, "192.0.2.1") + bytes(18, "10.96.0.20") + bytes(18, "fd00::20") +
                           number(99, 5);
  const std::string status = bytes(1, bytes(1, bytes(1, "192.0.2.9")));
  return bytes(1, metadata) + bytes(2, spec) + bytes(3, status);
}
constexpr const char* kJsonService =
    R"({"kind":"Service","metadata":{"name":"web","namespace":"default","resourceVersion":"42",)"
    R"("labels":{"app":"web"},"managedFields":[{"x":"}]{"}]},"spec":{"ports":[{"name":"http",)"
    R"("protocol":"UDP","port":80}],"clusterIP":"10.96.0.20","type":"LoadBalancer",)"
    R"("externalIPs":["192.0.2.1"],"clusterIPs":["10.96.0.20","fd00::20"]},)"
    R"("status":{"loadBalancer":{"ingress":[{"ip":"192.0.2.9"}]}}})";

std::string protobuf_slice() {
  const std::string metadata = bytes(1, "web-1") + bytes(3, "default") + bytes(6, "43") +
                               entry(11, "kubernetes.io/service-name", "web") +
                               entry(12, "endpoints.kubernetes.io/last-change-trigger-time",
                                     "2026-01-01T00:00:00Z");
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

ApiObject read(Encoding encoding, Kind kind, const std::string& text, const ReadOptions& options) {
  ApiObject object;
  EXPECT_TRUE(read_object(encoding, kind, octets(text), options, object));
  EXPECT_EQ(object.problem, "");
  return object;
}

TEST(ApiObjectTest, BothEncodingsReadTheSame) {
  for (const ReadOptions& options : {ReadOptions{}, ReadOptions{true, true, true, true}}) {
    const ApiObject a = read(Encoding::Protobuf, Kind::Services, protobuf_service(), options);
    const ApiObject b = read(Encoding::Json, Kind::Services, kJsonService, options);
    EXPECT_EQ(std::get<Service>(a.body), std::get<Service>(b.body));
    EXPECT_EQ(a.resource_version, "42");
    EXPECT_EQ(b.resource_version, "42");
    const ApiObject c = read(Encoding::Protobuf, Kind::EndpointSlices, protobuf_slice(), options);
    const ApiObject d = read(Encoding::Json, Kind::EndpointSlices, kJsonSlice, options);
    EXPECT_EQ(std::get<EndpointSlice>(c.body), std::get<EndpointSlice>(d.body));
    EXPECT_EQ(c.change_trigger_time, "2026-01-01T00:00:00Z");
    EXPECT_EQ(d.change_trigger_time, c.change_trigger_time);
  }
}

TEST(ApiObjectTest, WhatIsKept) {
  const ReadOptions all{true, true, true, true};
  const auto service =
      std::get<Service>(read(Encoding::Protobuf, Kind::Services, protobuf_service(), all).body);
  EXPECT_EQ(service.type, ServiceType::LoadBalancer);
  ASSERT_EQ(service.cluster_ips.size(), 2U);
  EXPECT_EQ(service.cluster_ips[1].to_string(), "fd00::20");
  ASSERT_EQ(service.ports.size(), 1U);
  EXPECT_EQ(service.ports[0].protocol, Protocol::Udp);
  EXPECT_EQ(service.labels, (Labels{{"app", "web"}}));
  EXPECT_EQ(service.load_balancer_ips.at(0).to_string(), "192.0.2.9");
  const auto slice = std::get<EndpointSlice>(
      read(Encoding::Protobuf, Kind::EndpointSlices, protobuf_slice(), all).body);
  ASSERT_EQ(slice.endpoints.size(), 2U);
  EXPECT_EQ(slice.service, "web");
  EXPECT_EQ(slice.endpoints[0].detail->hostname, "db-0");
  EXPECT_EQ(slice.endpoints[0].detail->zone, "zone-a");
  EXPECT_FALSE(slice.endpoints[1].ready);
  EXPECT_EQ(slice.endpoints[1].detail->target_name, "web-x");
  // Without the options nothing of that costs memory.
  const auto slim = std::get<EndpointSlice>(
      read(Encoding::Protobuf, Kind::EndpointSlices, protobuf_slice(), {}).body);
  EXPECT_EQ(slim.endpoints[1].detail, nullptr);
}

TEST(ApiObjectTest, CutAnywhereItIsNoObjectOrAShorterOne) {
  const std::string whole = protobuf_slice();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    ApiObject object;
    // It must not read past the end; what it makes of a cut is its own business.
    const std::string part = whole.substr(0, size);
    (void)read_object(Encoding::Protobuf, Kind::EndpointSlices, octets(part), {}, object);
  }
  const std::string json = kJsonSlice;
  for (std::size_t size = 0; size < json.size(); ++size) {
    ApiObject object;
    EXPECT_FALSE(read_object(Encoding::Json, Kind::EndpointSlices, octets(json.substr(0, size)), {},
                             object));
  }
}

struct Collected final : BodySink {
  bool on_event(std::string_view type, std::span<const std::uint8_t> object) override {
    seen.emplace_back(std::string(type), std::string(reinterpret_cast<const char*>(object.data()),
                                                     object.size()));
    return true;
  }
  bool on_item(std::span<const std::uint8_t> object) override { return on_event("item", object); }
  bool on_list_end(std::string_view version, std::string_view next) override {
    seen.emplace_back(std::string(version), std::string(next));
    return true;
  }
  std::vector<std::pair<std::string, std::string>> seen;
};
using Seen = std::vector<std::pair<std::string, std::string>>;

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
  expect_read("{\"type\":\"ADDED\",\"object\":" + json + "}\n{ \"type\" : \"MODIFIED\", \"object\" : " +
                  json + " }\n",
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

TEST(BodyReaderTest, WhatIsNoBody) {
  const auto bad = [](const std::string& body, bool list, Encoding encoding) {
    Collected sink;
    const auto reader = list ? make_list_reader(encoding, sink) : make_watch_reader(encoding, sink);
    return !reader->feed(octets(body)) || !reader->finish();
  };
  for (const char* text : {"<html>", "[]", "{\"items\":[}", "{\"items\":[1]}", "{\"a\":1", "{}}"}) {
    EXPECT_TRUE(bad(text, true, Encoding::Json)) << text;
  }
  for (const char* text : {"<html>", "{\"type\":\"ADDED\"}", "{\"type\":\"ADDED\",\"object\":{"}) {
    EXPECT_TRUE(bad(text, false, Encoding::Json)) << text;
  }
  EXPECT_TRUE(bad(std::string("\xff\xff\xff\xff", 4), false, Encoding::Protobuf));
  EXPECT_TRUE(bad(frame("ADDED", "x").substr(0, 9), false, Encoding::Protobuf));
  EXPECT_TRUE(bad("no", true, Encoding::Protobuf));
  EXPECT_TRUE(bad(wrapped(bytes(2, "x")).substr(0, 20), true, Encoding::Protobuf));
}

}  // namespace
}  // namespace clusterdns::registry::kubernetes
