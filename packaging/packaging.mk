# SPDX-License-Identifier: GPL-2.0
# What a release consists of. Included by the top Makefile; BUILD, ARCH and VERSION are its.
#   make deb      $(BUILD)/twsnoop_VERSION_ARCH.deb
#   make image    $(BUILD)/twsnoop-VERSION-ARCH.oci.tar
#   make dist     $(BUILD)/twsnoop-VERSION.tar.gz, of what is committed

DEB_ARCH := $(if $(filter arm64,$(ARCH)),arm64,amd64)
IMAGE := $(BUILD)/twsnoop-$(VERSION)-$(DEB_ARCH).oci.tar

deb:
	CC='$(if $(CROSS),,$(CC))' CLANG='$(CLANG)' packaging/deb/build.sh $(ARCH) $(BUILD)

image: $(BUILD)/image/twsnoop
	packaging/image/make_image.py --version $(VERSION) --output $(IMAGE) $<

dist:
	packaging/dist.sh $(BUILD)

.PHONY: deb image dist
