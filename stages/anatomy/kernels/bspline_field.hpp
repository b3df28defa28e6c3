// Uniform cubic B-spline fields over a voxel lattice, and their approximation to masked voxels.
// Sources: Lee, Wolberg & Shin 1997, IEEE Trans. Vis. Comput. Graph. 3:228,
// doi:10.1109/2945.620490; Tustison & Gee 2006, Insight Journal (N4's smoother). Because voxels lie
// on a lattice, every sum over tensor-product weights is done an axis at a time. Same bits at any
// number of threads.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <vector>

#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"

namespace boldmill::anatomy {

// Coefficient (a, b, c), a fastest. An axis with n voxels and m coefficients has m - 3 spans; voxel
// index x lies at u = x / (n - 1) * (m - 3) and depends on coefficients floor(u) to floor(u) + 3.
struct SplineField {
  std::array<int, 3> shape{0, 0, 0}; // coefficients per axis
  std::array<int, 3> image_shape{0, 0, 0};
  std::vector<double> coefficients;
};

// `spans` at least 1 on each axis, all coefficients zero.
[[nodiscard]] SplineField zero_spline(const std::array<int, 3>& image_shape,
                                      const std::array<int, 3>& spans);
// The same function with every span halved.
[[nodiscard]] SplineField halve_spans(const SplineField& field);

// The four weights of a position on one axis and the index of the first.
struct AxisWeights {
  std::size_t first = 0;
  std::array<double, 4> weight{};
};
using TensorWeights = std::array<std::vector<AxisWeights>, 3>;

// Basis weights of a lattice of `shape`, whose voxel x lies at (x - offset) / factor of the field's
// image, per axis. Beyond the outer voxel centres of the image the position is that of its edge.
[[nodiscard]] TensorWeights basis_weights(const SplineField& field, const std::array<int, 3>& shape,
                                          const std::array<double, 3>& factor = {1, 1, 1},
                                          const std::array<double, 3>& offset = {0, 0, 0});

// Calls row(j, k, values) for every row of the lattice of `weights`. Slices run concurrently, the
// rows of one slice in order on one thread.
using RowSink = std::function<void(std::size_t j, std::size_t k, const double* values)>;
void evaluate(const SplineField& field, const TensorWeights& weights, const RowSink& row,
              const Context& context);

// Writes the values of row (j, k), zero outside the mask; false when the row has none inside.
using RowSource = std::function<bool(std::size_t j, std::size_t k, double* values)>;

// B-spline approximation of values z given at the voxels of a mask, with w the tensor-product
// weight of coefficient c at a voxel and S the sum of w^2 over the 64 coefficients of the voxel:
//   phi_c = sum w^2 (w z / S) / sum w^2,  0 where no voxel reaches c.
class SplineFit {
public:
  SplineFit(const Mask& mask, const SplineField& field, const Context& context);
  // field += approximation of the rows; `field` as given to the constructor in shape.
  void add_to(SplineField& field, const RowSource& rows, const Context& context);

private:
  std::array<int, 3> shape_;
  TensorWeights numerator_; // w^3 / S, by axis
  std::vector<double> denominator_;
  std::vector<double> slices_; // scratch: a lattice plane per slice of the image
};

} // namespace boldmill::anatomy
