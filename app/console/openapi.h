// The description of the API, as OpenAPI 3.1.
#pragma once

#include <string_view>

namespace clusterdns::app {

// JSON. The version of the program is not in it.
[[nodiscard]] std::string_view openapi_text();

}  // namespace clusterdns::app
