#include "stages/anatomy/testing/itk_n4.hpp"

#include <itkImage.h>
#include <itkMultiThreaderBase.h>
#include <itkN4BiasFieldCorrectionImageFilter.h>

#include <algorithm>
#include <cmath>

namespace boldmill::anatomy::testing {
namespace {

using ItkVolume = itk::Image<float, 3>;
using ItkMask = itk::Image<unsigned char, 3>;
using N4 = itk::N4BiasFieldCorrectionImageFilter<ItkVolume, ItkMask, ItkVolume>;

template <class ItkImage, class T>
typename ItkImage::Pointer to_itk(const Image<T>& image) {
  auto out = ItkImage::New();
  typename ItkImage::SizeType size;
  typename ItkImage::SpacingType spacing;
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

} // namespace

Volume itk_n4_log_field(const Volume& image, const Mask& mask, const N4Settings& settings,
                        unsigned threads) {
  itk::MultiThreaderBase::SetGlobalDefaultNumberOfThreads(threads);
  auto filter = N4::New();
  filter->SetInput(to_itk<ItkVolume>(image));
  filter->SetMaskImage(to_itk<ItkMask>(mask));
  filter->SetMaskLabel(1);
  const auto levels = static_cast<unsigned>(settings.levels);
  filter->SetNumberOfFittingLevels(levels);
  N4::VariableSizeArrayType iterations(levels);
  iterations.Fill(static_cast<unsigned>(settings.iterations));
  filter->SetMaximumNumberOfIterations(iterations);
  filter->SetConvergenceThreshold(static_cast<N4::RealType>(settings.convergence));
  filter->SetNumberOfHistogramBins(static_cast<unsigned>(settings.sharpening.bins));
  filter->SetBiasFieldFullWidthAtHalfMaximum(static_cast<N4::RealType>(settings.sharpening.fwhm));
  filter->SetWienerFilterNoise(static_cast<N4::RealType>(settings.sharpening.noise));
  N4::ArrayType points;
  for (unsigned a = 0; a < 3; ++a) {
    points[a] = static_cast<unsigned>(settings.first_spans[a]) + filter->GetSplineOrder();
  }
  filter->SetNumberOfControlPoints(points);
  filter->Update();
  const auto lattice = filter->GetLogBiasFieldControlPointLattice();
  const auto field = filter->ReconstructBiasField(lattice);
  Volume out(image.grid);
  std::copy_n(field->GetBufferPointer(), out.data.size(), out.data.begin());
  return out;
}

} // namespace boldmill::anatomy::testing
