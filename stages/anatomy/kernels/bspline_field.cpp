#include "stages/anatomy/kernels/bspline_field.hpp"

#include <algorithm>
#include <cmath>

#include "stages/core/parallel.hpp"

namespace boldmill::anatomy {
namespace {

std::size_t size_of(int n) { return static_cast<std::size_t>(n); }

std::size_t product(const std::array<int, 3>& shape) {
  return size_of(shape[0]) * size_of(shape[1]) * size_of(shape[2]);
}

std::vector<AxisWeights> axis_weights(int n, int image_n, int m, double factor, double offset) {
  std::vector<AxisWeights> weights(size_of(n));
  for (int x = 0; x < n; ++x) {
    const double position = std::clamp((x - offset) / factor, 0.0, image_n - 1.0);
    const double u = position / std::max(1.0, image_n - 1.0) * (m - 3);
    const int span = std::min(static_cast<int>(u), m - 4);
    const double t = u - span;
    const double s = 1.0 - t;
    weights[size_of(x)] = {size_of(span),
                           {s * s * s / 6.0, (4.0 - 6.0 * t * t + 3.0 * t * t * t) / 6.0,
                            (4.0 - 6.0 * s * s + 3.0 * s * s * s) / 6.0, t * t * t / 6.0}};
  }
  return weights;
}

// Rows of one slice to a plane of the lattice: along j while the row is at hand, then along i.
void contract_slice(const TensorWeights& w, const std::array<int, 3>& shape, std::size_t k,
                    const RowSource& rows, double* plane) {
  const std::size_t nx = w[0].size();
  const std::size_t mx = size_of(shape[0]);
  const std::size_t my = size_of(shape[1]);
  std::vector<double> row(nx);
  std::vector<double> wide(my * nx, 0.0);
  for (std::size_t j = 0; j < w[1].size(); ++j) {
    if (!rows(j, k, row.data())) continue;
    for (std::size_t b = 0; b < 4; ++b) {
      const double weight = w[1][j].weight[b];
      double* to = wide.data() + (w[1][j].first + b) * nx;
      for (std::size_t i = 0; i < nx; ++i) to[i] += weight * row[i];
    }
  }
  std::fill(plane, plane + mx * my, 0.0);
  for (std::size_t b = 0; b < my; ++b) {
    const double* from = wide.data() + b * nx;
    for (std::size_t i = 0; i < nx; ++i) {
      double* to = plane + b * mx + w[0][i].first;
      for (std::size_t a = 0; a < 4; ++a) to[a] += w[0][i].weight[a] * from[i];
    }
  }
}

// lattice_c = sum over voxels of the product of the axes' weights times the voxel's value.
std::vector<double> contract(const TensorWeights& w, const std::array<int, 3>& shape,
                             const RowSource& rows, std::vector<double>& slices,
                             const Context& context) {
  const std::size_t plane = size_of(shape[0]) * size_of(shape[1]);
  const std::size_t nz = w[2].size();
  slices.resize(nz * plane);
  parallel_blocks(context, nz, 1, [&](std::size_t k, std::size_t) {
    contract_slice(w, shape, k, rows, slices.data() + k * plane);
  });
  std::vector<double> lattice(product(shape), 0.0);
  parallel_blocks(context, size_of(shape[2]), 1, [&](std::size_t c, std::size_t) {
    double* to = lattice.data() + c * plane;
    for (std::size_t k = 0; k < nz; ++k) {
      if (w[2][k].first > c || w[2][k].first + 3 < c) continue;
      const double weight = w[2][k].weight[c - w[2][k].first];
      const double* from = slices.data() + k * plane;
      for (std::size_t p = 0; p < plane; ++p) to[p] += weight * from[p];
    }
  });
  return lattice;
}

// Knot insertion at the midpoints along one axis: `outer` blocks of `m` groups of `stride` values.
std::vector<double> halve_axis(const std::vector<double>& from, std::size_t stride, std::size_t m) {
  const std::size_t fine = 2 * m - 3;
  const std::size_t outer = from.size() / (stride * m);
  std::vector<double> to(outer * fine * stride);
  for (std::size_t o = 0; o < outer; ++o) {
    for (std::size_t f = 0; f < fine; ++f) {
      const double* p = from.data() + (o * m + f / 2) * stride;
      double* q = to.data() + (o * fine + f) * stride;
      for (std::size_t s = 0; s < stride; ++s) {
        q[s] = f % 2 == 0 ? (p[s] + p[s + stride]) / 2.0
                          : (p[s] + 6.0 * p[s + stride] + p[s + 2 * stride]) / 8.0;
      }
    }
  }
  return to;
}

} // namespace

SplineField zero_spline(const std::array<int, 3>& image_shape, const std::array<int, 3>& spans) {
  SplineField field;
  field.image_shape = image_shape;
  for (std::size_t a = 0; a < 3; ++a) field.shape[a] = spans[a] + 3;
  field.coefficients.assign(product(field.shape), 0.0);
  return field;
}

SplineField halve_spans(const SplineField& field) {
  SplineField out = field;
  std::size_t stride = 1;
  for (std::size_t a = 0; a < 3; ++a) {
    out.coefficients = halve_axis(out.coefficients, stride, size_of(field.shape[a]));
    out.shape[a] = 2 * field.shape[a] - 3;
    stride *= size_of(out.shape[a]);
  }
  return out;
}

TensorWeights basis_weights(const SplineField& field, const std::array<int, 3>& shape,
                            const std::array<double, 3>& factor,
                            const std::array<double, 3>& offset) {
  TensorWeights weights;
  for (std::size_t a = 0; a < 3; ++a) {
    weights[a] = axis_weights(shape[a], field.image_shape[a], field.shape[a], factor[a], offset[a]);
  }
  return weights;
}

void evaluate(const SplineField& field, const TensorWeights& w, const RowSink& sink,
              const Context& context) {
  const std::size_t nx = w[0].size();
  const std::size_t mx = size_of(field.shape[0]);
  const std::size_t my = size_of(field.shape[1]);
  parallel_blocks(context, w[2].size(), 1, [&](std::size_t k, std::size_t) {
    std::vector<double> plane(mx * my, 0.0);
    for (std::size_t c = 0; c < 4; ++c) {
      const double* from = field.coefficients.data() + (w[2][k].first + c) * mx * my;
      for (std::size_t p = 0; p < plane.size(); ++p) plane[p] += w[2][k].weight[c] * from[p];
    }
    std::vector<double> wide(my * nx);
    for (std::size_t b = 0; b < my; ++b) {
      for (std::size_t i = 0; i < nx; ++i) {
        const auto& [first, weight] = w[0][i];
        const double* p = plane.data() + b * mx + first;
        wide[b * nx + i] =
            weight[0] * p[0] + weight[1] * p[1] + weight[2] * p[2] + weight[3] * p[3];
      }
    }
    std::vector<double> row(nx);
    for (std::size_t j = 0; j < w[1].size(); ++j) {
      const auto& [first, weight] = w[1][j];
      const double* p = wide.data() + first * nx;
      for (std::size_t i = 0; i < nx; ++i) {
        row[i] = weight[0] * p[i] + weight[1] * p[nx + i] + weight[2] * p[2 * nx + i] +
                 weight[3] * p[3 * nx + i];
      }
      sink(j, k, row.data());
    }
  });
}

SplineFit::SplineFit(const Mask& mask, const SplineField& field, const Context& context)
    : shape_(field.shape), numerator_(basis_weights(field, mask.grid.shape)) {
  TensorWeights squared = numerator_;
  for (std::size_t a = 0; a < 3; ++a) {
    for (std::size_t x = 0; x < squared[a].size(); ++x) {
      double sum = 0.0;
      for (double& weight : squared[a][x].weight) sum += weight *= weight;
      for (std::size_t p = 0; p < 4; ++p)
        numerator_[a][x].weight[p] *= squared[a][x].weight[p] / sum;
    }
  }
  const std::size_t nx = numerator_[0].size();
  const std::size_t ny = numerator_[1].size();
  const RowSource ones = [&](std::size_t j, std::size_t k, double* values) {
    const std::uint8_t* in = mask.data.data() + (k * ny + j) * nx;
    for (std::size_t i = 0; i < nx; ++i) values[i] = in[i] != 0 ? 1.0 : 0.0;
    return true;
  };
  denominator_ = contract(squared, shape_, ones, slices_, context);
}

void SplineFit::add_to(SplineField& field, const RowSource& rows, const Context& context) {
  const std::vector<double> sums = contract(numerator_, shape_, rows, slices_, context);
  for (std::size_t c = 0; c < sums.size(); ++c) {
    if (denominator_[c] > 0.0) field.coefficients[c] += sums[c] / denominator_[c];
  }
}

} // namespace boldmill::anatomy
