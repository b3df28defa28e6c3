# Rscript elastic_net.R FOLDER PEOPLE COLUMNS FAMILY ALPHA    glmnet on x.f64, y.f64, lambda.f64; writes glmnet.f64
suppressMessages(library(glmnet))
a <- commandArgs(TRUE)
n <- as.integer(a[2]); p <- as.integer(a[3])
read <- function(name, count) readBin(file.path(a[1], name), "double", count)
x <- matrix(read("x.f64", n * p), n); y <- read("y.f64", n)
lambda <- read("lambda.f64", 1e4)
time <- system.time(fit <- glmnet(x, if (a[4] == "gaussian") y else factor(y), family = a[4], alpha = as.numeric(a[5]), lambda = lambda,
                                  standardize = FALSE, thresh = 1e-7, maxit = 1e7))
writeBin(as.vector(rbind(fit$a0, as.matrix(fit$beta))), file.path(a[1], "glmnet.f64"))
cat("glmnet_s", time[["elapsed"]], "\nglmnet_cpu_s", time[["user.self"]] + time[["sys.self"]], "\n")
