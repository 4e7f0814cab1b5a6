// The one translation unit that holds Boost.JSON's code.
#include <boost/json/src.hpp>
