// Bounds of docs/limits.md that belong to no test of one part.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>

#include "app/corefile/error.h"
#include "app/corefile/limits.h"
#include "app/corefile/parser.h"
#include "app/directives/hosts_file.h"
#include "app/log/logging.h"
#include "dns/net/listen_socket.h"
#include "dns/query/whoami_stage.h"
#include "dns/server/server.h"
#include "registry/kubernetes/config.h"
#include "tests/unit/app/folder.h"

namespace clusterdns::app {
namespace {

using ::testing::HasSubstr;

// A file of so many octets that takes no room on the disk.
std::string sparse(const Folder& folder, const std::string& name, std::size_t octets) {
  const std::string path = folder.write(name, "");
  std::filesystem::resize_file(path, octets);
  return path;
}

// However many workers there are, they share what the kernel keeps for connections.
TEST(Bounds, WorkersShareTheConnections) {
  for (const unsigned workers : {1U, 2U, 8U, 16U, 64U}) {
    const dns::Server server({.workers = workers, .tcp = {}});
    EXPECT_LE(server.tcp_share() * workers, dns::kTcpConnections);
    EXPECT_LE(server.tcp_share(), dns::TcpLimits{}.max_connections);
    EXPECT_EQ(server.tcp_share(), std::min<std::size_t>(1024, 6144 / workers));
  }
}

// However many sockets there are, they share the memory for datagrams that wait.
TEST(Bounds, SocketsShareTheReceiveBuffers) {
  for (const unsigned workers : {1U, 16U}) {
    dns::Server server({.workers = workers, .tcp = {}});
    auto route = std::make_shared<dns::Route>();
    route->stages.push_back(std::make_shared<dns::WhoamiStage>(workers));
    dns::Configuration configuration;
    for (const char* const address : {"127.0.0.1", "127.0.0.2"}) {
      configuration.listeners.push_back({{boost::asio::ip::make_address(address), 0}, {}});
      configuration.listeners.back().routes.add(dns::Name{}, route);
    }
    (void)server.apply(std::move(configuration));
    const dns::SocketInodes ours = server.sockets();
    std::size_t sum = 0;
    unsigned count = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
      const int fd = std::stoi(entry.path().filename());
      int type = 0, octets = 0;
      socklen_t size = sizeof type;
      if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_DGRAM ||
          !ours.contains(dns::socket_inode(fd))) {
        continue;
      }
      size = sizeof octets;
      ASSERT_EQ(::getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &octets, &size), 0);
      ++count;
      sum += static_cast<std::size_t>(octets) / 2;  // the kernel's own needs
    }
    EXPECT_EQ(count, 2 * workers);
    EXPECT_LE(sum, static_cast<std::size_t>(dns::kUdpReceiveBuffers));
    EXPECT_GT(sum, 0U);
  }
}

TEST(Bounds, AKubeconfig) {
  const Folder folder;
  const std::string path = sparse(folder, "config", registry::kubernetes::kMaxKubeconfigSize + 1);
  std::string what;
  try {
    (void)registry::kubernetes::load_kubeconfig({path}, "");
  } catch (const registry::kubernetes::ConfigProblem& e) {
    what = e.what();
  }
  EXPECT_THAT(what, HasSubstr(path));
  EXPECT_THAT(what, HasSubstr(std::to_string(registry::kubernetes::kMaxKubeconfigSize)));
}

TEST(Bounds, EverythingThatACorefileImports) {
  const Folder folder;
  std::string large = "errors\n";
  while (large.size() < kMaxCorefileSize - 100) large += "# " + std::string(90, 'x') + "\n";
  folder.write("large", large);
  std::string text = ".:0 {\n";
  for (std::size_t octets = 0; octets <= kMaxImportedSize; octets += large.size()) {
    text += "import " + (folder / "large") + "\n";
  }
  std::string what;
  try {
    (void)parse_corefile(text + "}\n", "Corefile");
  } catch (const std::exception& e) {
    what = e.what();
  }
  EXPECT_THAT(what, HasSubstr("the imports have more than 16777216 octets in all"));
}

TEST(Bounds, AHostsFile) {
  const Folder folder;
  const std::string path = sparse(folder, "hosts", kMaxHostsFileSize + 1);
  dns::ReclaimDomain reclaim(1);
  const auto stage = std::make_shared<dns::HostsStage>(dns::HostsStage::Options{}, reclaim);
  HostsFile file(path, {}, stage, make_silent_logger(), false);
  Problems problems;
  file.load(problems, {});
  ASSERT_EQ(problems.warnings(), 1U);
  EXPECT_THAT(problems.sorted().front().text, HasSubstr("File too large"));
  EXPECT_EQ(stage->entries(), 0U);
}

}  // namespace
}  // namespace clusterdns::app
