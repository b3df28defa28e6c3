// Otsu's threshold (Otsu 1979, IEEE Trans. Syst. Man Cybern. 9:62, doi:10.1109/TSMC.1979.4310076).
#pragma once

#include <vector>

namespace boldmill::anatomy {

// Over 256 bins from the smallest to the 99.9th percentile of finite values; brighter values count
// in the last bin. The threshold is a bin's upper edge.
[[nodiscard]] float otsu_threshold(const std::vector<float>& values);

} // namespace boldmill::anatomy
