"""Makes the fixtures of package picture: files, and what Pillow reads and resizes (Pillow 13.0.0, numpy).

    python dataset/picture/testdata/make.py

NAME.EXT is a file, NAME.EXT.png its pixels as Image.open(f).convert("RGB") has them. resize-W-H-F.png is photo.png
resized; corner-W-H-F.png a box of it. val-NAME.EXT.png is a file by torchvision's Resize(40) and CenterCrop(32).
"""
import io, os
import numpy as np
from PIL import Image, ImageOps

here = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(1)
W, H = 61, 47
y, x = np.mgrid[0:H, 0:W]
base = np.stack([128 + 100 * np.sin(x / 7 + y / 11), 128 + 90 * np.cos(x / 5), 128 + 110 * np.sin(y / 4 - x / 9)], -1)
photo = Image.fromarray(np.clip(base + rng.normal(0, 12, base.shape), 0, 255).astype(np.uint8))
alpha = photo.copy()
alpha.putalpha(Image.fromarray((x * 4).astype(np.uint8)))


def save(name, im, **options):
    path = os.path.join(here, name)
    im.save(path, **options)
    Image.open(path).convert("RGB").save(path + ".png", optimize=True)


def quarter():
    """An EXIF that asks to be turned by a quarter."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


save("444.jpg", photo, quality=90, subsampling=0)
save("422.jpg", photo, quality=90, subsampling=1)
save("420.jpg", photo, quality=90, subsampling=2)
save("progressive.jpg", photo, quality=85, subsampling=2, progressive=True)
save("narrow.jpg", photo.crop((0, 0, 4, 9)), quality=90, subsampling=2)
save("grey.jpg", photo.convert("L"), quality=90)
save("cmyk.jpg", photo.convert("CMYK"), quality=95)
save("rgb.jpg", photo, quality=95, keep_rgb=True)
save("turned.jpg", photo, quality=90, subsampling=0, exif=quarter())
ImageOps.exif_transpose(Image.open(os.path.join(here, "turned.jpg"))).convert("RGB").save(os.path.join(here, "turned.jpg.upright.png"))
save("rgb.png", photo)
save("alpha.png", alpha)
save("grey.png", photo.convert("L"))
save("palette.png", photo.quantize(40))
save("bit.png", photo.convert("1"))
save("greyalpha.png", alpha.convert("LA"))
save("lossy.webp", photo, quality=90)
save("lossy-even.webp", photo.crop((0, 0, 60, 46)), quality=90)
save("alpha.webp", alpha, quality=90)
save("lossless.webp", photo, lossless=True)
filters = {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC, "nearest": Image.NEAREST}
for name, f in filters.items():
    for w, h in [(32, 24), (61, 20), (20, 47), (90, 70), (55, 11), (30, 60)]:
        photo.resize((w, h), f).save(os.path.join(here, f"resize-{w}-{h}-{name}.png"))
    photo.crop((5, 7, 42, 40)).resize((22, 29), f).save(os.path.join(here, f"corner-22-29-{name}.png"))

for name in ["420.jpg", "progressive.jpg", "cmyk.jpg", "rgb.png", "lossy.webp"]:
    im = Image.open(os.path.join(here, name)).convert("RGB")
    w, h = im.size
    w, h = (40, int(40 * h / w)) if w <= h else (int(40 * w / h), 40)
    left, top = round((w - 32) / 2.0), round((h - 32) / 2.0)
    im.resize((w, h), Image.BILINEAR).crop((left, top, left + 32, top + 32)).save(os.path.join(here, f"val-{name}.png"))

from PIL import ImageEnhance

for name, enhance in {"brightness": ImageEnhance.Brightness, "contrast": ImageEnhance.Contrast, "saturation": ImageEnhance.Color}.items():
    for factor in (0.35, 1.6):
        enhance(photo).enhance(factor).save(os.path.join(here, f"{name}-{factor}.png"))
for part in (-0.3, 0.12):  # as torchvision.transforms.functional.adjust_hue has it
    h, s, v = photo.convert("HSV").split()
    h = Image.fromarray(np.asarray(h) + np.array(int(part * 255)).astype(np.uint8))
    Image.merge("HSV", (h, s, v)).convert("RGB").save(os.path.join(here, f"hue-{part}.png"))
