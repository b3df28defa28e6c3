"""Writes the reference values of the cohort tests: python make.py OUTDIR.

Inputs are made by closed formulas that cohort/test_data.hpp repeats. Made with scikit-learn 1.9.1,
scipy 1.17.1, numpy 2.4.6. Columns: case, lambda, alpha, objective, intercept, coefficients.
"""
import sys, os, warnings, numpy as np, sklearn, scipy
from sklearn.linear_model import ElasticNet, LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score, balanced_accuracy_score, brier_score_loss, r2_score
warnings.filterwarnings('ignore')
out=sys.argv[1]; os.makedirs(out,exist_ok=True)
def lcg(n, seed):
    x=seed; v=np.empty(n)
    for i in range(n):
        x=(x*6364136223846793005+1442695040888963407)%2**64
        v[i]=(x>>40)/2**24
    return v
def problem(n,p,seed):
    x=(lcg(n*p,seed).reshape(n,p)-.5)*4
    x[:,1]=.8*x[:,0]+.6*x[:,1]                       # correlated columns
    eta=1.5*x[:,0]-x[:,2]+.5*x[:,3]
    y=3+eta+2*(lcg(n,seed+1)-.5)
    yb=(eta+3*(lcg(n,seed+2)-.5)>0).astype(float)
    return x,y,yb
def pen(b,l,a): return l*((1-a)/2*b@b+a*np.abs(b).sum())
rows=[]
for case,(n,p,seed) in enumerate([(40,8,100),(30,60,200)]):
    x,y,yb=problem(n,p,seed)
    for lam in (.02,.3):
        for a in (0.,.5,1.):
            if a==0: m=Ridge(alpha=n*lam,solver='svd').fit(x,y)
            else: m=ElasticNet(alpha=lam,l1_ratio=a,tol=1e-14,max_iter=1000000).fit(x,y)
            obj=((y-m.predict(x))**2).sum()/(2*n)+pen(m.coef_,lam,a)
            rows.append(['gaussian',case,lam,a,obj,m.intercept_,*m.coef_])
            m=LogisticRegression(l1_ratio=a,C=1/(n*lam),solver='saga' if a else 'newton-cholesky',tol=1e-13,max_iter=2000000).fit(x,yb)
            b=m.coef_[0]; eta=x@b+m.intercept_[0]
            obj=np.mean(np.logaddexp(0,eta)-yb*eta)+pen(b,lam,a)
            rows.append(['binomial',case,lam,a,obj,m.intercept_[0],*b])
with open(out+'/elastic_net.tsv','w') as f:
    for r in rows: f.write('\t'.join([r[0],str(r[1])]+['%.15g'%v for v in r[2:]])+'\n')
s=np.round(lcg(50,7),1); yy=(lcg(50,8)+.5*s>.8).astype(float); q=np.clip(s,.05,.95)
print('metrics', roc_auc_score(yy,s), balanced_accuracy_score(yy,q>=.5), brier_score_loss(yy,q), r2_score(s,lcg(50,9)), sklearn.__version__)
