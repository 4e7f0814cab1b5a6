// Changes of a store, subscribers who do not keep up, queries that come too fast.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "app/base/json.h"
#include "app/console/changes.h"
#include "app/console/query_tap.h"
#include "app/console/subscribers.h"

namespace clusterdns::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

registry::Service service(const std::string& ip) {
  registry::Service result;
  result.key = {"default", "web"};
  result.cluster_ips = {*registry::IpAddress::parse(ip)};
  return result;
}

registry::EndpointSlice slice(const std::vector<std::pair<std::string, bool>>& endpoints) {
  registry::EndpointSlice result;
  result.key = {"default", "web-1"};
  result.service = "web";
  for (const auto& [address, ready] : endpoints) {
    registry::Endpoint endpoint;
    endpoint.address = *registry::IpAddress::parse(address);
    endpoint.ready = ready;
    result.endpoints.push_back(std::move(endpoint));
  }
  return result;
}

class ChangeFeedTest : public ::testing::Test {
 protected:
  std::vector<std::string> take() { return std::exchange(told_, {}); }

  registry::Store store_;
  std::vector<std::string> told_;
};

TEST_F(ChangeFeedTest, SaysOldAndNew) {
  store_.upsert(service("10.96.4.1"));
  store_.commit();
  ChangeFeed feed(store_, [&](boost::json::object change) { told_.push_back(json_line(change)); });
  store_.upsert(service("10.96.4.2"));
  store_.commit();
  EXPECT_THAT(
      take(),
      ElementsAre(R"({"kind":"Service","namespace":"default","name":"web","change":"changed",)"
                  R"("what":["clusterIP: 10.96.4.1 -> 10.96.4.2"]})"));
  store_.upsert(slice({{"10.1.1.1", true}, {"10.1.1.2", true}}));
  store_.commit();
  EXPECT_THAT(
      take(),
      ElementsAre(R"({"kind":"Endpoints","namespace":"default","name":"web","change":"added",)"
                  R"("what":["10.1.1.1: added, ready","10.1.1.2: added, ready"]})"));
  store_.upsert(slice({{"10.1.1.1", false}}));
  store_.commit();
  EXPECT_THAT(
      take(),
      ElementsAre(HasSubstr(R"("what":["10.1.1.1: ready -> not ready","10.1.1.2: removed"])")));
  store_.erase_slice({"default", "web-1"});
  store_.erase_service({"default", "web"});
  store_.commit();
  EXPECT_THAT(
      take(),
      ElementsAre(
          HasSubstr(R"("kind":"Service","namespace":"default","name":"web","change":"removed")"),
          HasSubstr(
              R"("kind":"Endpoints","namespace":"default","name":"web","change":"removed")")));
  // What was taken back before the commit is no change.
  store_.upsert(service("10.96.4.9"));
  store_.erase_service({"default", "web"});
  store_.commit();
  EXPECT_THAT(take(), IsEmpty());
}

TEST_F(ChangeFeedTest, WordsAreBounded) {
  ChangeFeed feed(store_, [&](boost::json::object change) { told_.push_back(json_line(change)); });
  std::vector<std::pair<std::string, bool>> many;
  for (int i = 0; i < 200; ++i) many.emplace_back("10.1.1." + std::to_string(i), true);
  store_.upsert(service("10.96.4.1"));
  store_.upsert(slice(many));
  store_.commit();
  const auto told = take();
  ASSERT_EQ(told.size(), 2U);
  EXPECT_THAT(told[1], HasSubstr("\"and " + std::to_string(200 - kConsoleChangeWords) + " more\""));
}

// A stream that takes so many writes, and then no more until it is read.
class SlowStream final : public HttpStream {
 public:
  bool write(std::string_view text) override {
    if (room == 0) return false;
    --room;
    written += text;
    return true;
  }
  void close() override { is_closed = true; }
  [[nodiscard]] bool closed() const override { return is_closed; }
  int room = 3;
  bool is_closed = false;
  std::string written;
};

class OneResponder final : public HttpResponder {
 public:
  void reply(HttpReply) override {}
  std::shared_ptr<HttpStream> stream(HttpReply head, std::string) override {
    type = head.content_type;
    return slow;
  }
  void keep(std::shared_ptr<void>) override {}
  [[nodiscard]] bool closed() const override { return false; }
  std::shared_ptr<SlowStream> slow = std::make_shared<SlowStream>();
  std::string type;
};

TEST(SubscribersTest, WhoDoesNotKeepUpIsToldHowMuchIsMissing) {
  Subscribers all;
  OneResponder lines;
  HttpRequest request;
  request.headers = {{"accept", "application/x-ndjson"}};
  all.add(request, lines);
  EXPECT_EQ(lines.type, "application/x-ndjson");
  for (int i = 1; i <= 5; ++i) all.tell({{"n", i}});
  EXPECT_EQ(lines.slow->written, "\n{\"n\":1}\n{\"n\":2}\n");
  lines.slow->room = 2;
  all.tell({{"n", 6}});
  EXPECT_EQ(lines.slow->written, "\n{\"n\":1}\n{\"n\":2}\n{\"dropped\":3}\n{\"n\":6}\n");
  OneResponder events;
  all.add({}, events);
  EXPECT_EQ(events.type, "text/event-stream");
  all.tell({{"n", 7}});
  EXPECT_EQ(events.slow->written, ":\n\ndata: {\"n\":7}\n\n");
  events.slow->is_closed = lines.slow->is_closed = true;
  all.prune();
  EXPECT_TRUE(all.empty());
}

TEST(QueryTapTest, ShowsTwoThousandASecond) {
  int woken = 0;
  QueryTap tap([&] { ++woken; });
  dns::WorkerContext worker;
  dns::Query query;
  const std::uint8_t name[] = {3, 'w', 'w', 'w', 0};
  std::memcpy(query.lower.data(), name, sizeof name);
  query.qname_size = sizeof name;
  query.qtype = dns::RRType::A;
  const dns::Endpoint client = dns::make_endpoint(boost::asio::ip::make_address("10.0.0.7"), 4000);
  const std::array<std::uint8_t, 12> response{0, 0, 0x80, 3};
  const dns::AnswerObserver::Event event{
      query, client,       client, dns::Transport::Udp, dns::monotonic_ns(), response,
      {},    "kubernetes", 12};
  tap.on_answer(event, worker);
  tap.on_answer(event, worker);
  EXPECT_EQ(woken, 1);
  std::uint64_t skipped = 0;
  const auto seen = tap.take(skipped);
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_EQ(skipped, 0U);
  EXPECT_EQ(seen[0].rcode, 3);
  EXPECT_EQ(seen[0].client.port, 4000);
  // However many come: what is shown is bounded, and nothing is lost without being counted.
  std::size_t shown = 0;
  constexpr std::size_t kMany = 20000;
  for (std::size_t i = 0; i < kMany; ++i) {
    tap.on_answer(event, worker);
    if (i % 100 == 0) {
      std::uint64_t more = 0;
      shown += tap.take(more).size();
      skipped += more;
    }
  }
  std::uint64_t more = 0;
  shown += tap.take(more).size();
  skipped += more;
  EXPECT_EQ(shown + skipped, kMany);
  EXPECT_GT(skipped, 0U);
}

}  // namespace
}  // namespace clusterdns::app
