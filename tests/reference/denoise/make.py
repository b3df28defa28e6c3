"""Writes the reference values of the denoising tests: python make.py OUTDIR.

Inputs are made by closed formulas that denoise/test_data.hpp repeats. Made with nipype 1.11.0 (nitime
for the AR fit), nilearn 0.14.1, scipy 1.17.1, numpy 2.4.6.
"""
import sys, os, numpy as np, tempfile, nibabel as nb, scipy, nipype, nilearn
from scipy.signal import butter, sosfiltfilt
from scipy.interpolate import CubicSpline
out=sys.argv[1]; os.makedirs(out,exist_ok=True)
def lcg(n, seed):
    # the test makes the same numbers: x <- 6364136223846793005 x + 1442695040888963407 mod 2^64, top 24 bits
    x=seed; v=np.empty(n)
    for i in range(n):
        x=(x*6364136223846793005+1442695040888963407)%2**64
        v[i]=(x>>40)/2**24
    return v
T,P=60,35
raw=lcg(T*P,7).reshape(P,T)            # voxel by voxel
series=np.empty((P,T))
t=np.arange(T)
for v in range(P):
    series[v]=900+3*v+20*np.sin(2*np.pi*(t+v)/17)+30*(raw[v]-.5)+ (0.2*v)*np.cumsum(raw[v]-.5)
series[5]=1000.0                       # constant voxel
series=series.astype(np.float32)
img=nb.Nifti1Image(series.reshape(5,7,1,T,order='F'),np.eye(4)); d=tempfile.mkdtemp()
nb.save(img,d+'/b.nii'); nb.save(nb.Nifti1Image(np.ones((5,7,1),np.uint8),np.eye(4)),d+'/m.nii')
from nipype.algorithms.confounds import compute_dvars
std,nstd,_=compute_dvars(d+'/b.nii',d+'/m.nii',remove_zerovariance=True,variance_tol=1e-7,intensity_normalization=1000)
np.savetxt(out+'/dvars.tsv',np.c_[nstd,std],fmt='%.9g',delimiter='\t',header='dvars\tstd_dvars',comments='')
from nipype.algorithms.confounds import FramewiseDisplacement
mot=np.c_[lcg(3*T,11).reshape(T,3),0.01*lcg(3*T,12).reshape(T,3)]
np.savetxt(d+'/par.txt',mot)
fd=FramewiseDisplacement(in_file=d+'/par.txt',parameter_source='SPM',radius=50,out_file=d+'/fd.txt',out_figure=d+'/f.pdf').run()
np.savetxt(out+'/fd.tsv',np.loadtxt(d+'/fd.txt',skiprows=1),fmt='%.9g',header='fd',comments='')
# cosine columns as niworkflows/fmriprep: nipype's CosineFilter basis
from nipype.algorithms.confounds import cosine_filter
_,basis=cosine_filter(np.zeros((3,T))+t,2.0,40.0,remove_mean=True)
np.savetxt(out+'/cosine.tsv',basis if basis.shape[0]==T else basis.T,fmt='%.12g',delimiter='\t')
# filters: 4 columns each
X=series[:4].T.astype(float)
cols={}
for name,order,band,typ in [('band2',2,[.01,.08],'bandpass'),('band5',5,[.01,.08],'bandpass'),('high3',3,.02,'highpass'),('low3',3,.1,'lowpass'),('band3wide',3,[.002,.24],'bandpass')]:
    sos=butter(order,band,btype=typ,fs=.5,output='sos')
    for pad,kw in (('constant',dict(padtype='constant',padlen=T-1)),('odd',dict(padtype='odd'))):
        cols[f'{name}_{pad}']=sosfiltfilt(sos,X[:,2]-X[:,2].mean(),**kw)
np.savetxt(out+'/butterworth.tsv',np.c_[tuple(cols.values())],fmt='%.12g',delimiter='\t',header='\t'.join(cols),comments='')
keep=np.ones(T,bool); keep[[0,1,9,10,11,12,30,44,58,59]]=False
cs=CubicSpline(t[keep],X[keep,1])(t); cs[:2]=X[2,1]; cs[58:]=X[57,1]; cs[keep]=X[keep,1]
np.savetxt(out+'/spline.tsv',cs,fmt='%.12g',header='spline',comments='')
# nilearn signal.clean
from nilearn.signal import clean
T2=120; tr=2.0
conf=np.c_[lcg(4*T2,21).reshape(T2,4)]; conf[:,1]=np.cumsum(conf[:,1]-.5); conf=np.c_[conf,np.cos(np.arange(T2)/9.)]
S=np.empty((T2,6)); r=lcg(T2*6,22).reshape(6,T2); tt=np.arange(T2)
for v in range(6): S[:,v]=500+v*10+40*np.sin(2*np.pi*tt*tr*(.015+.01*v))+50*(r[v]-.5)+.3*v*tt+25*conf[:,v%5]
S=S.astype(np.float32)
keep2=np.ones(T2,bool); keep2[[3,4,5,40,41,77,100,118]]=False; sm=np.flatnonzero(keep2)
res={}
kw=dict(confounds=conf,t_r=tr,standardize='zscore_sample',detrend=True,standardize_confounds=True,ensure_finite=False)
# nilearn's linear trend runs over the volumes kept as if there were no gaps, so none is compared here
res['cosine']=clean(S.astype(float),filter='cosine',high_pass=.008,sample_mask=sm,**dict(kw,detrend=False))
res['cosine_all']=clean(S.astype(float),filter='cosine',high_pass=.008,**kw)
res['butter_odd']=clean(S.astype(float),filter='butterworth',high_pass=.01,low_pass=.08,sample_mask=sm,extrapolate=False,butterworth__padtype='odd',**kw)
res['butter_constant']=clean(S.astype(float),filter='butterworth',high_pass=.01,low_pass=.08,butterworth__padtype='constant',butterworth__padlen=T2-1,**kw)
for k,v in res.items(): np.savetxt(f'{out}/clean_{k}.tsv',v,fmt='%.9g',delimiter='\t')
print(nipype.__version__,nilearn.__version__,scipy.__version__,np.__version__, {k:v.shape for k,v in res.items()})
