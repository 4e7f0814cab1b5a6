#include "dns/net/fair_list.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "tests/unit/dns/server/client.h"

namespace clusterdns::dns {
namespace {

ClientKey key(const std::string& address) { return client_key(unit::endpoint(address)); }

TEST(ClientKeyTest, IsAnIpv4AddressOrA64) {
  EXPECT_EQ(key("192.0.2.1"), client_key(unit::endpoint("192.0.2.1", 7)));
  EXPECT_NE(key("192.0.2.1"), key("192.0.2.2"));
  EXPECT_EQ(key("2001:db8:0:1::1"), key("2001:db8:0:1:ffff::2"));
  EXPECT_NE(key("2001:db8:0:1::1"), key("2001:db8:0:2::1"));
  EXPECT_EQ(key("::ffff:192.0.2.1"), key("192.0.2.1"));
  EXPECT_NE(key("::ffff:192.0.2.1"), key("::ffff:192.0.2.2"));
  EXPECT_NE(key("::1"), key("0.0.0.0"));
}

class FairListTest : public ::testing::Test {
 protected:
  using List = FairList<std::string>;
  void add(const std::string& item, const std::string& client) {
    places_.emplace(item, list_.insert(key(client), item));
  }
  std::string victim(const std::string& but = "") {
    const std::string* const item =
        list_.victim([&](const std::string& each) { return each != but; });
    return item == nullptr ? "nobody" : *item;
  }

  List list_;
  std::map<std::string, List::Place> places_;
};

TEST_F(FairListTest, WhoHasMostGives) {
  EXPECT_EQ(victim(), "nobody");
  add("a1", "192.0.2.1");
  add("b1", "192.0.2.2");
  add("b2", "192.0.2.2");
  add("c1", "192.0.2.3");
  EXPECT_EQ(victim(), "b1");
  list_.erase(places_.at("b1"));
  EXPECT_EQ(victim(), "a1") << "of equals, the one that was idle longest";
  list_.touch(places_.at("a1"));
  EXPECT_EQ(victim(), "c1");
  EXPECT_EQ(list_.size(), 3U);
  EXPECT_EQ(list_.clients(), 3U);
}

TEST_F(FairListTest, OfItsOwnTheOneThatWasIdleLongest) {
  for (const char* item : {"1", "2", "3"}) add(item, "192.0.2.1");
  list_.touch(places_.at("1"));
  EXPECT_EQ(victim(), "2");
  EXPECT_EQ(victim("2"), "3") << "unless it may not";
  list_.erase(places_.at("3"));
  list_.erase(places_.at("2"));
  EXPECT_EQ(victim("1"), "1") << "somebody has to";
}

TEST_F(FairListTest, ForEachMayErase) {
  for (int i = 0; i < 20; ++i) add(std::to_string(i), "192.0.2." + std::to_string(i % 3));
  std::vector<std::string> seen;
  list_.for_each([&](const std::string& each) {
    seen.push_back(each);
    if (each.size() == 1) list_.erase(places_.at(std::string(each)));
  });
  EXPECT_EQ(seen.size(), 20U);
  EXPECT_EQ(list_.size(), 10U);
  list_.for_each([&](const std::string& each) { list_.erase(places_.at(std::string(each))); });
  EXPECT_TRUE(list_.empty());
  EXPECT_EQ(list_.clients(), 0U);
}

// Against a plain model.
TEST_F(FairListTest, AgreesWithAModel) {
  struct Item {
    std::string name;
    unsigned client;
    unsigned active;
  };
  std::vector<Item> model;
  std::mt19937 engine(3);
  const auto random = [&] { return static_cast<unsigned>(engine()); };
  unsigned now = 0;
  for (int step = 0; step < 20000; ++step) {
    ++now;
    const unsigned action = random() % 5;
    if (action < 2 || model.empty()) {
      const unsigned client = random() % 8 % (1 + random() % 8);
      add("i" + std::to_string(step), "192.0.2." + std::to_string(client));
      model.push_back({"i" + std::to_string(step), client, now});
    } else if (action == 2) {
      Item& item = model[random() % model.size()];
      list_.touch(places_.at(item.name));
      item.active = now;
    } else {
      std::map<unsigned, unsigned> counts, latest;
      for (const Item& item : model) {
        ++counts[item.client];
        latest[item.client] = std::max(latest[item.client], item.active);
      }
      unsigned most = 0;
      for (const auto& [client, count] : counts) most = std::max(most, count);
      // A client that lost one stands behind its new equals; only its own order is asked for here.
      const std::string gives = victim();
      const auto it = std::find_if(model.begin(), model.end(),
                                   [&](const Item& item) { return item.name == gives; });
      ASSERT_NE(it, model.end());
      ASSERT_EQ(counts[it->client], most);
      for (const Item& item : model) {
        if (item.client == it->client) {
          ASSERT_GE(item.active, it->active);
        }
      }
      list_.erase(places_.at(gives));
      places_.erase(gives);
      model.erase(it);
    }
    ASSERT_EQ(list_.size(), model.size());
  }
}

}  // namespace
}  // namespace clusterdns::dns
