/** ECharts, only the parts used. Tooltips are drawn in the canvas: as HTML they would need inline styles. */

import { useComputedColorScheme } from '@mantine/core';
import { BarChart, LineChart } from 'echarts/charts';
import { GridComponent, LegendComponent, TooltipComponent } from 'echarts/components';
import { type EChartsType, init, use } from 'echarts/core';
import { CanvasRenderer } from 'echarts/renderers';
import { useEffect, useRef } from 'react';

import { fonts, light, night, series } from '@/app/tokens';

import type { ChartProps } from './Chart';
import classes from './parts.module.css';

use([BarChart, LineChart, GridComponent, TooltipComponent, LegendComponent, CanvasRenderer]);

export default function Drawn({ places, lines, kind, write, height = 260 }: ChartProps) {
  const scheme = useComputedColorScheme('light', { getInitialValueInEffect: false });
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<EChartsType>(null);
  useEffect(() => {
    const made = init(place.current as HTMLDivElement, null, { renderer: 'canvas' });
    chart.current = made;
    const watch = new ResizeObserver(() => made.resize());
    watch.observe(place.current as HTMLDivElement);
    return () => {
      watch.disconnect();
      made.dispose();
    };
  }, []);
  useEffect(() => {
    const tone = scheme === 'dark' ? night : light;
    const text = { color: tone.soft, fontFamily: fonts.text, fontSize: 12 };
    chart.current?.setOption(
      {
        color: series[scheme],
        animationDuration: 300,
        textStyle: text,
        grid: { left: 4, right: 8, top: 12, bottom: lines.length > 1 ? 34 : 4, outerBoundsMode: 'same', containLabel: true },
        legend: lines.length > 1 ? { type: 'scroll', bottom: 0, left: 0, icon: 'roundRect', itemWidth: 10, itemHeight: 10, textStyle: text, pageTextStyle: text } : undefined,
        tooltip: {
          trigger: 'axis',
          renderMode: 'richText',
          axisPointer: { type: kind === 'bar' ? 'shadow' : 'line', shadowStyle: { color: tone.line, opacity: 0.4 } },
          backgroundColor: tone.raised,
          borderColor: tone.lineStrong,
          textStyle: { ...text, color: tone.ink },
          valueFormatter: (value: unknown) => write(Number(value)),
        },
        xAxis: {
          type: 'category',
          data: places,
          boundaryGap: kind === 'bar',
          axisTick: { show: false },
          axisLine: { lineStyle: { color: tone.line } },
          axisLabel: { ...text, hideOverlap: true },
        },
        yAxis: {
          type: 'value',
          splitNumber: 4,
          splitLine: { lineStyle: { color: tone.line } },
          axisLabel: { ...text, formatter: (value: number) => write(value) },
        },
        series: lines.map((line) => ({
          name: line.name,
          type: kind,
          stack: kind === 'bar' ? 'all' : undefined,
          data: line.values,
          barMaxWidth: 28,
          smooth: 0.2,
          showSymbol: false,
          itemStyle: kind === 'bar' ? { borderRadius: 2 } : undefined,
        })),
      },
      { notMerge: true },
    );
  }, [places, lines, kind, write, scheme]);
  return <div ref={place} className={classes.chart} style={{ height }} aria-hidden />;
}
