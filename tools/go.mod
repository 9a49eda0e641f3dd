module github.com/nfsim/nfsim/tools

go 1.26.0
