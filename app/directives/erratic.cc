// erratic {
//   drop [AMOUNT]
//   truncate [AMOUNT]
//   delay [AMOUNT [DURATION]]
//   large
// }
#include "app/corefile/options.h"
#include "app/directives/directive.h"
#include "dns/fixed/fixed_stages.h"

namespace clusterdns::app {
namespace {

using Options = dns::ErraticStage::Options;

struct Reading {
  Options options;
  bool drop_said = false;
};

constexpr std::chrono::minutes kMostDelay{1};

std::uint64_t amount_of(const Directive& line) {
  constexpr std::int64_t kMost = 0x7FFFFFFF;
  return line.args.empty() ? 2 : static_cast<std::uint64_t>(parse_integer(line.args[0], 0, kMost));
}

void read_delay(const Directive& line, Reading& reading) {
  reading.options.delay = amount_of(line);
  reading.options.duration = std::chrono::milliseconds(100);
  if (line.args.size() < 2) return;
  reading.options.duration = parse_duration(line.args[1], BareDuration::Refused,
                                            std::chrono::nanoseconds::zero(), kMostDelay);
}

constexpr Option kOptions[] = {
    option<[](const Directive& line, Reading& reading) {
      reading.options.drop = amount_of(line);
      reading.drop_said = reading.drop_said || !line.args.empty();
    }>("drop", "[AMOUNT]", "one query in AMOUNT is not answered; 0 for none", "2"),
    option<[](const Directive& line, Reading& reading) {
      reading.options.truncate = amount_of(line);
    }>("truncate", "[AMOUNT]", "one answer in AMOUNT has TC set"),
    option<&read_delay>("delay", "[AMOUNT [DURATION]]",
                        "one answer in AMOUNT (2) is DURATION (100ms, a minute at most) late"),
    option<[](const Directive&, Reading& reading) { reading.options.large = true; }>(
        "large", "", "answers for A have thirty records"),
};

}  // namespace

std::span<const Option> erratic_options() { return kOptions; }

void set_up_erratic(const Directive& directive, BlockSetup& setup) {
  Reading reading;
  read_options(directive, kOptions, setup.environment.problems, reading);
  // As CoreDNS: nothing is dropped when something else is to go wrong.
  Options& options = reading.options;
  if ((options.delay > 0 || options.truncate > 0) && !reading.drop_said) options.drop = 0;
  setup.route.stages.push_back(std::make_shared<dns::ErraticStage>(options));
}

}  // namespace clusterdns::app
