// loadbalance [round_robin | off | weighted FILE] {
//   reload DURATION       of FILE
//   prefer CIDR…
// }
#include <algorithm>
#include <charconv>
#include <random>
#include <sstream>

#include <boost/asio/steady_timer.hpp>

#include "app/corefile/options.h"
#include "app/directives/directive.h"
#include "app/directives/last_good.h"
#include "dns/base/regular_file.h"
#include "dns/shape/shape_stages.h"

namespace clusterdns::app {
namespace {

using Weights = dns::WeightedStage::Weights;

constexpr std::chrono::hours kMostReload{24 * 365};

struct Reading {
  std::chrono::nanoseconds reload = std::chrono::seconds(30);
  std::vector<dns::AddressRanges> networks;
};

constexpr Option kOptions[] = {
    option<[](const Directive& line, Reading& reading) {
      reading.reload = parse_duration(line.args[0], BareDuration::Refused,
                                      std::chrono::nanoseconds::zero(), kMostReload);
    }>("reload", "DURATION", "how often the file of `weighted` is looked at; `0s` for never",
       "30s"),
    option<[](const Directive& line, Reading& reading) {
      for (const Token& token : line.args) {
        dns::AddressRanges network;
        if (!network.add(parse_cidr(token).to_string())) fail(token, "is not a network");
        if (reading.networks.size() == dns::PreferStage::kMaxNetworks) {
          fail(token,
               "is one too many; there may be " + std::to_string(dns::PreferStage::kMaxNetworks));
        }
        reading.networks.push_back(std::move(network));
      }
    }>("prefer", "CIDR…",
       "addresses of these networks come first, those of the first one before "
       "all others"),
};

// What is wrong with a file of weights, as CoreDNS says it.
struct BadWeights {
  std::string text;
};

std::unique_ptr<Weights> read_weights(const std::string& text, const std::string& file) {
  auto weights = std::make_unique<Weights>();
  std::istringstream lines(text);
  std::vector<std::pair<std::string, std::uint8_t>>* current = nullptr;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string first;
    std::string second;
    std::string third;
    words >> first >> second >> third;
    if (first.empty() || first.front() == '#') continue;
    boost::system::error_code error;
    const auto address = boost::asio::ip::make_address(first, error);
    if (!third.empty()) {
      throw BadWeights{"could not parse weight line:\"" + line + "\" in weight file " + file};
    }
    if (second.empty()) {
      if (!error) {
        throw BadWeights{"wrong domain name:\"" + first + "\" in weight file " + file +
                         ". (Maybe a missing weight value?)"};
      }
      auto name = dns::Name::from_text(first);
      if (!name) throw BadWeights{"wrong domain name:\"" + first + "\" in weight file " + file};
      name->make_lower();
      current =
          &weights->names[std::string(reinterpret_cast<const char*>(name->data()), name->size())];
      continue;
    }
    if (error) throw BadWeights{"wrong IP address:\"" + first + "\" in weight file " + file};
    std::uint8_t weight = 0;
    const auto read = std::from_chars(second.data(), second.data() + second.size(), weight);
    if (read.ec != std::errc{} || read.ptr != second.data() + second.size() || weight == 0) {
      throw BadWeights{"wrong weight value:\"" + second + "\" in weight file " + file};
    }
    if (current == nullptr) throw BadWeights{"missing domain name in weight file " + file};
    const dns::Endpoint endpoint = dns::make_endpoint(address, 0);
    current->emplace_back(
        std::string(reinterpret_cast<const char*>(endpoint.address.data()), endpoint.v6 ? 16 : 4),
        weight);
  }
  return weights;
}

// Reads the file at the start and every `reload`.
class WeightFile final : public Companion {
 public:
  WeightFile(std::filesystem::path path, std::chrono::nanoseconds reload,
             std::shared_ptr<dns::WeightedStage> stage, std::shared_ptr<spdlog::logger> logger)
      : path_(std::move(path)),
        reload_(reload),
        stage_(std::move(stage)),
        logger_(std::move(logger)) {}

  // Throws BadWeights. False: the file cannot be read.
  bool load() {
    std::error_code error;
    if (!std::filesystem::is_regular_file(path_, error)) return false;
    if (std::filesystem::file_size(path_, error) > dns::kMaxWeightFile || error) {
      throw BadWeights{"weight file " + path_.string() + " has more than " +
                       std::to_string(dns::kMaxWeightFile) + " octets"};
    }
    auto text = dns::read_regular_file(path_, dns::kMaxWeightFile);
    if (!text) return false;
    if (read_ && *text == text_) return true;
    auto weights = read_weights(*text, path_.string());
    text_ = std::move(*text);
    stage_->publish(std::move(weights));
    if (std::exchange(read_, true)) {
      logger_->info("plugin/loadbalance: Successfully reloaded weight file {}", path_.string());
    }
    return true;
  }

  // Takes over what `before` has read of the same file. False: it has read nothing.
  bool inherit(const WeightFile& before) {
    if (!before.read_) return false;
    stage_->publish(read_weights(before.text_, path_.string()));
    text_ = before.text_;
    return read_ = true;
  }
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  [[nodiscard]] bool has_read() const noexcept { return read_; }

  void start(boost::asio::io_context& io) override {
    if (reload_ == std::chrono::nanoseconds::zero()) return;
    timer_.emplace(io);
    wait();
  }
  void stop() noexcept override {
    *alive_ = false;
    timer_.reset();
  }

 private:
  void wait() {
    timer_->expires_after(std::chrono::duration_cast<std::chrono::steady_clock::duration>(reload_));
    timer_->async_wait([this, alive = alive_](const boost::system::error_code& error) {
      if (error || !*alive) return;
      try {
        if (!load()) logger_->error("plugin/loadbalance: weight file open error");
      } catch (const BadWeights& bad) {
        logger_->error("plugin/loadbalance: {}", bad.text);
      }
      wait();
    });
  }

  const std::filesystem::path path_;
  const std::chrono::nanoseconds reload_;
  const std::shared_ptr<dns::WeightedStage> stage_;
  const std::shared_ptr<spdlog::logger> logger_;
  std::string text_;
  bool read_ = false;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::optional<boost::asio::steady_timer> timer_;
};

void add_weighted(const Token& file, std::chrono::nanoseconds reload, BlockSetup& setup) {
  Environment& environment = setup.environment;
  std::filesystem::path path = file.text;
  if (path.is_relative()) path = setup.root / path;
  auto stage = std::make_shared<dns::WeightedStage>(environment.reclaim, environment.workers,
                                                    std::random_device{}());
  setup.route.stages.push_back(stage);
  if (environment.elsewhere) return;
  auto weights = std::make_shared<WeightFile>(path, reload, stage, environment.logger);
  const auto before = find_before<WeightFile>(
      environment, [&](const WeightFile& other) { return other.path() == path; });
  const bool last_good = before != nullptr && weights->inherit(*before);
  constexpr std::string_view kStill = "; the weights that it had are still used";
  try {
    if (!weights->load() && last_good) {
      environment.problems.warn(file.at,
                                in_quotes(file.text) + " cannot be read" + std::string(kStill));
    } else if (!last_good && !weights->has_read()) {
      if (reload == std::chrono::nanoseconds::zero()) {
        fail(file, "cannot be read, and `reload 0s` never tries again");
      }
      environment.problems.warn(
          file.at, in_quotes(file.text) + " cannot be read; it is tried again every `reload`");
    }
  } catch (const BadWeights& bad) {
    if (!last_good) throw ConfigError(file.at, bad.text);
    environment.problems.warn(file.at, bad.text + std::string(kStill));
  }
  environment.companions.push_back(std::move(weights));
}

}  // namespace

std::span<const Option> loadbalance_options() { return kOptions; }

void set_up_loadbalance(const Directive& directive, BlockSetup& setup) {
  Reading reading;
  read_options(directive, kOptions, setup.environment.problems, reading);
  static constexpr std::string_view kPolicies[] = {"round_robin", "off", "weighted"};
  const std::string_view policy =
      directive.args.empty() ? kPolicies[0] : parse_choice(directive.args[0], kPolicies);
  if (policy == "weighted") {
    require_arguments(directive, 2, 2, "loadbalance weighted FILE");
  } else {
    require_arguments(directive, 0, 1, "loadbalance [round_robin|off|weighted FILE]");
  }
  setup.rotate = policy == "round_robin";
  setup.route.rotate = setup.rotate;
  // Filters act in the opposite order: what is preferred comes first in the end.
  if (!reading.networks.empty()) {
    setup.route.stages.push_back(
        std::make_shared<dns::PreferStage>(reading.networks, setup.environment.workers));
  }
  if (policy == "weighted") add_weighted(directive.args[1], reading.reload, setup);
}

}  // namespace clusterdns::app
