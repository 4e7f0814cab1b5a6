// The one translation unit that holds the code of Asio over OpenSSL; see dns/CMakeLists.txt.
#include <boost/asio/ssl/impl/src.hpp>
