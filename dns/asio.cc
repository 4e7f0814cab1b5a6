// The one translation unit that holds Asio's code; see dns/CMakeLists.txt.
#include <boost/asio/impl/src.hpp>
