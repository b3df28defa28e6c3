#include "stages/anatomy/kernels/n4.hpp"

#include <itkCommand.h>
#include <itkImage.h>
#include <itkMultiThreaderBase.h>
#include <itkN4BiasFieldCorrectionImageFilter.h>

#include <algorithm>
#include <cmath>
#include <mutex>

#include "stages/core/error.hpp"
#include "stages/core/parallel.hpp"

namespace boldmill::anatomy {
namespace {

constexpr unsigned kWorkUnits = 8;

using ItkVolume = itk::Image<float, 3>;
using ItkMask = itk::Image<unsigned char, 3>;
using N4 = itk::N4BiasFieldCorrectionImageFilter<ItkVolume, ItkMask, ItkVolume>;

// Filters made inside N4 take the global default; results depend on the number of work units.
void fix_itk_work_units() {
  static std::once_flag once;
  std::call_once(once, [] {
    itk::MultiThreaderBase::SetGlobalMaximumNumberOfThreads(kWorkUnits);
    itk::MultiThreaderBase::SetGlobalDefaultNumberOfThreads(kWorkUnits);
  });
}

template <class Image, class T>
typename Image::Pointer to_itk(const boldmill::Image<T>& image) {
  auto out = Image::New();
  typename Image::SizeType size;
  typename Image::SpacingType spacing;
  for (unsigned a = 0; a < 3; ++a) {
    size[a] = static_cast<itk::SizeValueType>(image.grid.shape[a]);
    spacing[a] = image.grid.spacing_mm()[static_cast<int>(a)];
  }
  out->SetRegions(size);
  out->SetSpacing(spacing);
  out->Allocate();
  std::copy(image.data.begin(), image.data.end(), out->GetBufferPointer());
  return out;
}

class StopObserver : public itk::Command {
public:
  using Self = StopObserver;
  using Superclass = itk::Command;
  using Pointer = itk::SmartPointer<Self>;
  itkNewMacro(Self) void Execute(itk::Object* caller, const itk::EventObject&) override {
    if (context != nullptr && context->stop.stop_requested()) {
      static_cast<itk::ProcessObject*>(caller)->AbortGenerateDataOn();
      throw Error(ErrorKind::interrupted, "interrupted");
    }
  }
  void Execute(const itk::Object*, const itk::EventObject&) override {}
  const Context* context = nullptr;
};

struct AxisWeights {
  int first = 0;
  float weight[4] = {0, 0, 0, 0};
};

std::vector<AxisWeights> axis_weights(int n, int coarse_n, int m, double factor, double offset) {
  std::vector<AxisWeights> weights(static_cast<std::size_t>(n));
  const double spans = m - 3;
  for (int x = 0; x < n; ++x) {
    const double coarse = std::clamp((x - offset) / factor, 0.0, coarse_n - 1.0);
    const double u = coarse / std::max(1.0, coarse_n - 1.0) * spans;
    const int span = std::min(static_cast<int>(u), m - 4);
    const double t = u - span;
    const double s = 1.0 - t;
    AxisWeights& w = weights[static_cast<std::size_t>(x)];
    w.first = span;
    w.weight[0] = static_cast<float>(s * s * s / 6.0);
    w.weight[1] = static_cast<float>((4.0 - 6.0 * t * t + 3.0 * t * t * t) / 6.0);
    w.weight[2] = static_cast<float>((4.0 - 6.0 * s * s + 3.0 * s * s * s) / 6.0);
    w.weight[3] = static_cast<float>(t * t * t / 6.0);
  }
  return weights;
}

} // namespace

LogField n4_log_field(const Volume& image, const Mask& mask, const N4Settings& settings,
                      const Context& context) {
  fix_itk_work_units();
  auto filter = N4::New();
  filter->SetNumberOfWorkUnits(kWorkUnits);
  filter->SetInput(to_itk<ItkVolume>(image));
  filter->SetMaskImage(to_itk<ItkMask>(mask));
  filter->SetMaskLabel(1);
  const auto levels = static_cast<unsigned>(settings.levels);
  filter->SetNumberOfFittingLevels(levels);
  N4::VariableSizeArrayType iterations(levels);
  iterations.Fill(static_cast<unsigned>(settings.iterations));
  filter->SetMaximumNumberOfIterations(iterations);
  filter->SetConvergenceThreshold(static_cast<N4::RealType>(settings.convergence));
  N4::ArrayType points;
  for (unsigned a = 0; a < 3; ++a) {
    points[a] = static_cast<unsigned>(settings.first_spans[a]) + filter->GetSplineOrder();
  }
  filter->SetNumberOfControlPoints(points);
  auto observer = StopObserver::New();
  observer->context = &context;
  filter->AddObserver(itk::IterationEvent(), observer);
  try {
    filter->Update();
  } catch (const itk::ExceptionObject& error) {
    context.check_stop();
    throw Error(ErrorKind::input, std::string("T1w: N4 failed: ") + error.GetDescription());
  }
  const auto lattice = filter->GetLogBiasFieldControlPointLattice();
  const auto size = lattice->GetLargestPossibleRegion().GetSize();
  LogField field;
  field.image_shape = image.grid.shape;
  field.levels_done = static_cast<int>(filter->GetCurrentLevel()) + 1;
  field.levels_done = std::min(field.levels_done, settings.levels);
  std::size_t n = 1;
  for (unsigned a = 0; a < 3; ++a) {
    field.coefficients_shape[a] = static_cast<int>(size[a]);
    n *= size[a];
  }
  field.coefficients.resize(n);
  for (std::size_t c = 0; c < n; ++c) field.coefficients[c] = lattice->GetBufferPointer()[c][0];
  return field;
}

Volume field_on_grid(const LogField& field, const Grid& grid, const std::array<double, 3>& factor,
                     const std::array<double, 3>& offset, const Context& context) {
  std::array<std::vector<AxisWeights>, 3> w;
  for (std::size_t a = 0; a < 3; ++a) {
    w[a] = axis_weights(grid.shape[a], field.image_shape[a], field.coefficients_shape[a], factor[a],
                        offset[a]);
  }
  const auto mx = static_cast<std::size_t>(field.coefficients_shape[0]);
  const auto my = static_cast<std::size_t>(field.coefficients_shape[1]);
  Volume out(grid);
  parallel_blocks(
      context, static_cast<std::size_t>(grid.shape[2]), 1, [&](std::size_t k, std::size_t) {
        std::vector<float> plane(mx * my, 0.0F);
        for (std::size_t c = 0; c < 4; ++c) {
          const float* from =
              field.coefficients.data() + (static_cast<std::size_t>(w[2][k].first) + c) * mx * my;
          for (std::size_t p = 0; p < plane.size(); ++p) plane[p] += w[2][k].weight[c] * from[p];
        }
        std::vector<float> line(mx);
        for (int j = 0; j < grid.shape[1]; ++j) {
          const AxisWeights& wy = w[1][static_cast<std::size_t>(j)];
          std::fill(line.begin(), line.end(), 0.0F);
          for (std::size_t b = 0; b < 4; ++b) {
            const float* from = plane.data() + (static_cast<std::size_t>(wy.first) + b) * mx;
            for (std::size_t p = 0; p < mx; ++p) line[p] += wy.weight[b] * from[p];
          }
          float* row = &out.at(0, j, static_cast<int>(k));
          for (std::size_t i = 0; i < w[0].size(); ++i) {
            const AxisWeights& wx = w[0][i];
            const float* p = line.data() + wx.first;
            row[i] = std::exp(wx.weight[0] * p[0] + wx.weight[1] * p[1] + wx.weight[2] * p[2] +
                              wx.weight[3] * p[3]);
          }
        }
      });
  return out;
}

} // namespace boldmill::anatomy
