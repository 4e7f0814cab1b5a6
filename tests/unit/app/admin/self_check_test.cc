#include "app/admin/self_check.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <stdexcept>

#include "dns/query/whoami_stage.h"
#include "dns/server/server.h"

namespace clusterdns::app {
namespace {

// What is thrown on its thread is tried again, not waited for and not the end of the program.
TEST(SelfCheckTest, GoesOnAfterAnException) {
  auto route = std::make_shared<dns::Route>();
  route->stages.push_back(std::make_shared<dns::WhoamiStage>(2));
  dns::Configuration configuration;
  configuration.listeners.push_back({{boost::asio::ip::make_address("127.0.0.1"), 0}, {}});
  configuration.listeners.back().routes.add(dns::Name{}, route);
  dns::Server server({.workers = 2, .tcp = {}});
  const auto served = server.apply(std::move(configuration));
  std::atomic<int> calls{0};
  std::promise<void> passed;
  const SelfCheck check(
      {served->listeners[0].address},
      [&] {
        const int call = calls++;
        if (call == 0) throw std::runtime_error("no memory");
        if (call == 1) throw 42;
        return server.queries();
      },
      [&] { passed.set_value(); });
  EXPECT_EQ(passed.get_future().wait_for(std::chrono::seconds(60)), std::future_status::ready);
  EXPECT_GT(calls, 2);
}

// The end does not wait for listeners that never answer.
TEST(SelfCheckTest, EndsAtOnce) {
  std::promise<void> begun;
  std::atomic<bool> told{false};
  const SelfCheck check(
      {{boost::asio::ip::make_address("127.0.0.1"), 1}},
      [&] {
        if (!told.exchange(true)) begun.set_value();
        return std::vector<std::uint64_t>{0};
      },
      [] { ADD_FAILURE() << "nobody answers there"; });
  begun.get_future().wait();
}

}  // namespace
}  // namespace clusterdns::app
