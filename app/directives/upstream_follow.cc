#include "app/directives/upstream_follow.h"

#include <algorithm>
#include <utility>

#include "app/directives/last_good.h"
#include "dns/forward/upstream_address.h"
#include "registry/files/file_watcher.h"

namespace clusterdns::app {
namespace {

// How long one round of look-ups may take.
constexpr std::chrono::seconds kLookUpFor{3};

template <typename Value>
void sort_once(std::vector<Value>& values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
}

// None: it is not there, or says nothing of use.
std::vector<std::string> servers_of(const std::filesystem::path& path) {
  std::string error;
  const auto machine = dns::machine_upstreams(
      path.native(), "", [](const dns::Endpoint&) { return false; }, &error);
  std::vector<std::string> servers;
  if (!machine) return servers;
  for (const dns::Endpoint& server : machine->upstreams) servers.push_back(server.to_string());
  return servers;
}

}  // namespace

UpstreamFollow::UpstreamFollow(std::shared_ptr<spdlog::logger> logger)
    : logger_(std::move(logger)) {}
UpstreamFollow::~UpstreamFollow() { stop(); }

UpstreamFollow& UpstreamFollow::of(Environment& environment) {
  if (auto* const found = find_companion<UpstreamFollow>(environment)) return *found;
  auto made = std::make_shared<UpstreamFollow>(environment.logger);
  environment.companions.push_back(made);
  return *made;
}

void UpstreamFollow::file(const std::filesystem::path& path) {
  const auto same = [&](const File& file) { return file.path == path; };
  if (std::any_of(files_.begin(), files_.end(), same)) return;
  files_.push_back({path, servers_of(path)});
}

void UpstreamFollow::name(const UpstreamLookups::Question& question,
                          std::vector<boost::asio::ip::address> used) {
  const auto same = [&](const Host& host) { return host.question == question; };
  if (std::any_of(hosts_.begin(), hosts_.end(), same)) return;
  // A server turns its answers.
  sort_once(used);
  hosts_.push_back({question, std::move(used), {}});
}

std::vector<boost::asio::ip::address> UpstreamFollow::latest(
    const UpstreamLookups::Question& question) const {
  for (const Host& host : hosts_) {
    if (host.question == question) return host.latest;
  }
  return {};
}

void UpstreamFollow::start(boost::asio::io_context& io) {
  if (!files_.empty()) {
    std::vector<std::filesystem::path> paths;
    for (const File& each : files_) paths.push_back(each.path);
    watcher_ = std::make_unique<registry::FileWatcher>(
        io, std::move(paths), [this] { look_at_files(); },
        [logger = logger_](const std::string& warning) {
          logger->warn("plugin/forward: {}", warning);
        });
    watcher_->start();
    // They may have changed since they were read.
    look_at_files();
  }
  if (!hosts_.empty()) {
    timer_ = std::make_unique<boost::asio::steady_timer>(io);
    look_up_later();
  }
}

void UpstreamFollow::stop() noexcept {
  watcher_.reset();
  timer_.reset();
  lookups_.reset();
}

void UpstreamFollow::look_at_files() {
  for (const File& each : files_) {
    const auto now = servers_of(each.path);
    if (now.empty() || now == each.servers) continue;
    if (changed_) changed_(each.path.native());
    return;
  }
}

void UpstreamFollow::look_up_later() {
  const bool missing =
      std::any_of(hosts_.begin(), hosts_.end(), [](const Host& host) { return host.used.empty(); });
  timer_->expires_after(missing ? kLookUpMissing : kLookUpEvery);
  timer_->async_wait([this](const boost::system::error_code& error) {
    if (!error) look_up();
  });
}

void UpstreamFollow::look_up() {
  // On threads of their own; nobody waits for them.
  lookups_ = std::make_unique<UpstreamLookups>();
  for (const Host& host : hosts_) lookups_->begin(host.question);
  timer_->expires_after(kLookUpFor);
  timer_->async_wait([this](const boost::system::error_code& error) {
    if (!error) compare();
  });
}

void UpstreamFollow::compare() {
  std::string changed;
  for (Host& host : hosts_) {
    host.latest = lookups_->wait(host.question, std::chrono::milliseconds(0)).addresses;
    auto now = host.latest;
    sort_once(now);
    if (!now.empty() && now != host.used && changed.empty()) changed = host.question.first;
  }
  lookups_.reset();
  // Again if what is wanted anew cannot be had just then.
  look_up_later();
  if (!changed.empty() && changed_) changed_(changed);
}

}  // namespace clusterdns::app
