// One view for all who ask, made apart.
#include "app/console/view_keeper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/io_context.hpp>

namespace clusterdns::app {
namespace {

using ::testing::HasSubstr;

registry::Service service(const std::string& name) {
  registry::Service result;
  result.key = {"default", name};
  return result;
}

class ViewKeeperTest : public ::testing::Test {
 protected:
  ViewParts take() {
    ++taken_;
    ViewParts parts;
    parts.stores.push_back({store_.objects(), {}});
    parts.stores[0].shown.assign(parts.stores[0].objects.services.size(), true);
    return parts;
  }
  // Runs the control thread until so many have got a view.
  void until(std::size_t count) {
    while (seen_.size() < count) {
      io_.restart();
      io_.run_one_for(std::chrono::milliseconds(20));
      collect();
    }
  }
  void ask() {
    auto promise = std::make_shared<std::promise<Seen>>();
    coming_.push_back(promise->get_future());
    keeper_->with_view([promise](const ViewKeeper::View& view, const std::string& why) {
      promise->set_value({view, why, std::this_thread::get_id()});
    });
  }

  struct Seen {
    ViewKeeper::View view;
    std::string why;
    std::thread::id thread;
  };
  void collect() {
    std::erase_if(coming_, [&](std::future<Seen>& each) {
      if (each.wait_for(std::chrono::seconds(0)) != std::future_status::ready) return false;
      seen_.push_back(each.get());
      return true;
    });
  }

  boost::asio::io_context io_{1};
  registry::Store store_;
  std::size_t taken_ = 0;
  std::vector<std::future<Seen>> coming_;
  std::vector<Seen> seen_;
  std::shared_ptr<ViewKeeper> keeper_ =
      std::make_shared<ViewKeeper>(io_, [this] { return take(); });
};

TEST_F(ViewKeeperTest, AllWhoAskShareOneUntilSomethingChanges) {
  store_.upsert(service("a"));
  store_.commit();
  for (int i = 0; i < 20; ++i) ask();
  until(20);
  EXPECT_EQ(taken_, 1U);
  for (const Seen& each : seen_) {
    EXPECT_EQ(each.view, seen_[0].view);
    EXPECT_NE(each.thread, std::this_thread::get_id());
  }
  ASSERT_EQ(seen_[0].view->services().size(), 1U);

  store_.upsert(service("b"));
  store_.commit();
  keeper_->changed();
  ask();
  until(21);
  EXPECT_EQ(taken_, 2U);
  EXPECT_EQ(seen_[20].view->services().size(), 2U);
  // What somebody still looks at stays as it was.
  EXPECT_EQ(seen_[0].view->services().size(), 1U);
}

TEST_F(ViewKeeperTest, WhoAsksBehindAChangeIsNotShownWhatWasBefore) {
  ask();
  // The first one is being made.
  store_.upsert(service("a"));
  store_.commit();
  keeper_->changed();
  ask();
  until(2);
  EXPECT_EQ(taken_, 2U);
  EXPECT_TRUE(seen_[0].view->services().empty());
  EXPECT_EQ(seen_[1].view->services().size(), 1U);
}

TEST_F(ViewKeeperTest, WhyThereIsNone) {
  auto broken = std::make_shared<ViewKeeper>(io_, [this] {
    ViewParts parts = take();
    parts.clusters.push_back({7, {}});  // there is no such store
    return parts;
  });
  keeper_ = broken;
  ask();
  until(1);
  EXPECT_EQ(seen_[0].view, nullptr);
  EXPECT_FALSE(seen_[0].why.empty());
}

TEST_F(ViewKeeperTest, EndsWhileOneIsMade) {
  ask();
  keeper_->stop();
  keeper_->changed();
  keeper_->with_view([](const ViewKeeper::View&, const std::string&) { ADD_FAILURE(); });
  keeper_->stop();
}

TEST(BackgroundThreadTest, WhatThrowsDoesNotEndIt) {
  BackgroundThread thread;
  std::promise<void> done;
  thread.post([] { throw std::runtime_error("broken"); });
  thread.post([&] { done.set_value(); });
  done.get_future().wait();
}

}  // namespace
}  // namespace clusterdns::app
