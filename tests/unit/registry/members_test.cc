#include "registry/members.h"

#include <gtest/gtest.h>

#include <string>

#include "registry/model.h"
#include "tests/unit/registry/widget.h"

namespace clusterdns::registry {
namespace {

using testing_support::Widget;
using testing_support::WidgetColour;

Widget full_widget() {
  Widget widget;
  widget.key = {"default", "a"};
  widget.hosts = {"shop.example.com", std::string(300, 'x'), ""};
  widget.parts = {{"one", 1}, {"two", 65535}};
  widget.labels = {{"app", "web"}};
  widget.address = *IpAddress::parse("2001:db8::1");
  widget.colour = WidgetColour::Blue;
  widget.shiny = true;
  return widget;
}

EndpointSlice full_slice() {
  EndpointSlice slice;
  slice.key = {"default", "web-1"};
  slice.service = "web";
  slice.ports = {{"http", Protocol::Tcp, 80}, {"dns", Protocol::Udp, 53}};
  const auto detail =
      std::make_shared<const EndpointDetail>(EndpointDetail{"db-0", "pod", "zone-a", "cluster-b"});
  slice.endpoints.push_back({*IpAddress::parse("10.0.0.1"), true, detail});
  slice.endpoints.push_back({*IpAddress::parse("fd00::1"), false, detail});
  slice.endpoints.push_back({*IpAddress::parse("10.0.0.3"), true, nullptr});
  return slice;
}

template <class T>
std::string encoded(const T& value) {
  ObjectWriter writer;
  encode(writer, value);
  return writer.out;
}

template <class T>
bool comes_back(const T& value) {
  const std::string text = encoded(value);
  ObjectReader reader(text, 1'000'000);
  T read;
  decode(reader, read);
  return reader.at_end() && read == value;
}

TEST(MembersTest, WhatIsWrittenComesBack) {
  EXPECT_TRUE(comes_back(full_widget()));
  EXPECT_TRUE(comes_back(Widget{}));
  EXPECT_TRUE(comes_back(full_slice()));
  Service service;
  service.key = {"default", "web"};
  service.type = ServiceType::LoadBalancer;
  service.headless = true;
  service.cluster_ips = {*IpAddress::parse("10.96.0.1"), *IpAddress::parse("fd00::2")};
  service.ports = {{"http", Protocol::Sctp, 80, 8080, "web", 31000}};
  service.external_name = "x.example";
  service.labels = {{"a", "b"}};
  service.selector = {{"c", "d"}};
  service.external_ips = {*IpAddress::parse("192.0.2.1")};
  service.load_balancer_ips = {*IpAddress::parse("192.0.2.2")};
  EXPECT_TRUE(comes_back(service));
}

TEST(MembersTest, SharedDetailsAreSharedWhenRead) {
  const std::string text = encoded(full_slice());
  ObjectReader reader(text, 1'000'000);
  EndpointSlice slice;
  decode(reader, slice);
  EXPECT_EQ(slice.endpoints[0].detail.get(), slice.endpoints[1].detail.get());
}

TEST(MembersTest, WhatIsCutOffIsBad) {
  const std::string whole = encoded(full_widget());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    ObjectReader reader(std::string_view(whole).substr(0, size), 1'000'000);
    Widget read;
    decode(reader, read);
    EXPECT_FALSE(reader.good()) << size;
  }
}

TEST(MembersTest, AnEnumeratorThatDoesNotExistIsBad) {
  ObjectReader reader(std::string_view("\x02", 1), 1'000'000);
  WidgetColour colour{};
  decode(reader, colour);
  EXPECT_FALSE(reader.good());
  EXPECT_EQ(colour, WidgetColour::Red);
}

TEST(MembersTest, CountsThatLieTakeNoMemory) {
  ObjectWriter writer;
  writer.number(std::uint64_t{1} << 60);
  ObjectReader short_reader(writer.out, 1'000'000);
  std::vector<std::string> list;
  decode(short_reader, list);
  EXPECT_FALSE(short_reader.good());
  EXPECT_LE(list.size(), 1U);
  // As many as are there, but more than there is room for.
  writer.out += std::string(100'000, '\0');
  ObjectReader full_reader(writer.out, 32'000);
  list = {};
  decode(full_reader, list);
  EXPECT_FALSE(full_reader.good());
  EXPECT_LE(list.size(), 1001U);
}

TEST(MembersTest, LongTextsAndListsCount) {
  Widget widget;
  const std::size_t empty = kept_octets(widget);
  EXPECT_GT(empty, sizeof widget);
  widget.hosts = {"short"};
  const std::size_t one = kept_octets(widget);
  EXPECT_GE(one, empty + sizeof(std::string));
  widget.hosts = {std::string(1000, 'x')};
  EXPECT_GE(kept_octets(widget), one + 1000);
}

TEST(MembersTest, NothingIsHeldInReserve) {
  Widget widget = full_widget();
  widget.hosts.reserve(100);
  widget.parts.reserve(100);
  trim(widget);
  EXPECT_EQ(widget.hosts.capacity(), widget.hosts.size());
  EXPECT_EQ(widget.parts.capacity(), widget.parts.size());
  EXPECT_EQ(widget, full_widget());
}

}  // namespace
}  // namespace clusterdns::registry
