// Directives that serve whole zones, for the table.
#pragma once

#include <span>

#include "app/corefile/options.h"
#include "app/directives/directive.h"

namespace clusterdns::app {

[[nodiscard]] std::span<const Option> file_options();
[[nodiscard]] std::span<const Option> auto_options();
[[nodiscard]] std::span<const Option> secondary_options();
[[nodiscard]] std::span<const Option> transfer_options();
[[nodiscard]] std::span<const Option> sign_options();
[[nodiscard]] std::span<const Option> etcd_options();

void set_up_file(const Directive&, BlockSetup&);
void set_up_auto(const Directive&, BlockSetup&);
void set_up_secondary(const Directive&, BlockSetup&);
void set_up_transfer(const Directive&, BlockSetup&);
void set_up_sign(const Directive&, BlockSetup&);
void set_up_etcd(const Directive&, BlockSetup&);

}  // namespace clusterdns::app
